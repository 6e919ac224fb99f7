import java.io.Closeable;
import java.io.IOException;
import java.lang.reflect.Constructor;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Supplier;
import java.util.stream.Stream;

/**
 * Runs one Elasticsearch or OpenSearch node from the class path, for as long as somebody holds its lease.
 *
 * <p>The engine is reached by reflection only, so that this class compiles once, against nothing, and runs all of them.
 * Arguments are the node's settings, key=value. System properties say the rest:
 * engine.root (the engine's Java package), engine.plugins (plugin classes, separated by commas),
 * engine.descriptors (true where the node wants plugins as descriptors rather than classes),
 * engine.modules and engine.added (directories of modules and of plugins, where the node loads them itself: then the former two don't count),
 * engine.lease (file), engine.grace (milliseconds) and engine.scratch (a directory to delete at the end, or empty).
 */
public final class EngineNode {
    private static final long TICK_MILLIS = 250;
    private static final long CLOSE_MILLIS = 10_000;

    private static volatile Closeable node;

    private EngineNode() {}

    public static void main(String[] settings) {
        try {
            watch(Path.of(System.getProperty("engine.lease")), Long.getLong("engine.grace"));
            node = build(System.getProperty("engine.root"), settings);
            Runtime.getRuntime().addShutdownHook(new Thread(EngineNode::closeNode, "close-node"));
            node.getClass().getMethod("start").invoke(node);
        } catch (Throwable e) {
            e.printStackTrace();
            Runtime.getRuntime().halt(1); // a node that failed half-way leaves threads behind
        }
    }

    /**
     * Each user holds a shared lock on the lease file, which the system takes away when the user's process ends, however it
     * ends. An exclusive lock can be had only when there is no user. The last one is kept: an engine that is about to end can't be joined.
     */
    private static void watch(Path lease, long graceMillis) throws IOException {
        FileChannel file = FileChannel.open(lease, StandardOpenOption.READ, StandardOpenOption.WRITE);
        new Thread(() -> {
            try {
                long free = 0;
                boolean wasFree = false;
                while (true) {
                    FileLock lock = file.tryLock();
                    if (lock == null) {
                        wasFree = false;
                    } else {
                        if (!wasFree) {
                            free = System.nanoTime();
                        }
                        wasFree = true;
                        if (System.nanoTime() - free >= graceMillis * 1_000_000) {
                            System.out.println("nobody uses this engine any more: it ends");
                            break;
                        }
                        lock.release();
                    }
                    Thread.sleep(TICK_MILLIS);
                }
            } catch (Throwable e) {
                e.printStackTrace();
            }
            end();
        }, "lease").start();
    }

    private static void end() {
        Thread late = new Thread(() -> {
            try {
                Thread.sleep(CLOSE_MILLIS);
            } catch (InterruptedException e) {
                // then at once
            }
            Runtime.getRuntime().halt(3);
        }, "late-end");
        late.setDaemon(true);
        late.start();
        closeNode();
        String scratch = System.getProperty("engine.scratch", "");
        if (!scratch.isEmpty()) {
            try (Stream<Path> all = Files.walk(Path.of(scratch))) {
                for (Path p : (Iterable<Path>) all.sorted(Comparator.reverseOrder())::iterator) {
                    Files.deleteIfExists(p);
                }
            } catch (Exception e) {
                e.printStackTrace();
            }
        }
        Runtime.getRuntime().halt(0);
    }

    private static void closeNode() {
        Closeable n = node;
        if (n == null) {
            return;
        }
        try {
            n.close();
        } catch (Exception e) {
            e.printStackTrace();
        }
    }

    private static Closeable build(String root, String[] settings) throws Exception {
        String modules = System.getProperty("engine.modules", "");
        Class<?> logging = Class.forName(root + ".common.logging.LogConfigurator");
        logging.getMethod("setNodeName", String.class).invoke(null, "n1");
        if (!modules.isEmpty()) {
            logging.getMethod("configureESLogging").invoke(null);
        }

        Class<?> settingsClass = Class.forName(root + ".common.settings.Settings");
        Object builder = settingsClass.getMethod("builder").invoke(null);
        for (String s : settings) {
            int i = s.indexOf('=');
            builder.getClass().getMethod("put", String.class, String.class).invoke(builder, s.substring(0, i), s.substring(i + 1));
        }
        Object built = builder.getClass().getMethod("build").invoke(builder);
        Supplier<String> nodeName = () -> "n1";
        Object environment = Class.forName(root + ".node.InternalSettingsPreparer")
            .getMethod("prepareEnvironment", settingsClass, Map.class, Path.class, Supplier.class)
            .invoke(null, built, Map.of(), null, nodeName);

        Class<?> nodeClass = Class.forName(root + ".node.Node");
        if (!modules.isEmpty()) {
            Object loader = loader(root, Path.of(modules), Path.of(System.getProperty("engine.added")));
            return (Closeable) nodeClass.getConstructor(environment.getClass(), loader.getClass()).newInstance(environment, loader);
        }
        List<Object> plugins = new ArrayList<>();
        for (String name : System.getProperty("engine.plugins").split(",")) {
            Class<?> c = Class.forName(name);
            plugins.add(Boolean.getBoolean("engine.descriptors") ? descriptor(root, c) : c);
        }
        Constructor<?> make = nodeClass.getDeclaredConstructor(environment.getClass(), Collection.class, boolean.class);
        make.setAccessible(true);
        return (Closeable) make.newInstance(environment, plugins, false);
    }

    /** Makes what loads modules and plugins from directories. */
    private static Object loader(String root, Path modules, Path added) throws Exception {
        Class<?> c = Class.forName(root + ".plugins.PluginsLoader");
        return c.getMethod("createPluginsLoader", Set.class, Set.class, Map.class).invoke(null,
            c.getMethod("loadModulesBundles", Path.class).invoke(null, modules),
            c.getMethod("loadPluginsBundles", Path.class).invoke(null, added), Map.of());
    }

    private static Object descriptor(String root, Class<?> plugin) throws Exception {
        Class<?> version = Class.forName(root + ".Version");
        return Class.forName(root + ".plugins.PluginInfo")
            .getConstructor(String.class, String.class, String.class, version, String.class, String.class, List.class, boolean.class)
            .newInstance(plugin.getName(), "from the class path", "none", version.getField("CURRENT").get(null),
                String.valueOf(Runtime.version().feature()), plugin.getName(), List.of(), false);
    }
}
