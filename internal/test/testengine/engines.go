package testengine

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// This file is the table of engines, and the settings and arguments that they start
// with.

// distribution is a row of the table of engines, with everything that tells one engine
// from another.
type distribution struct {
	name     string // its name in tests
	group    string // Maven group, and Java package of the engine's classes
	artifact string
	version  string
	log4j    string // version of log4j-core, as the engine itself declares its log4j-api

	whole string // Maven coordinates of the engine as a zip, if its parts are not published as jars

	security string // Maven coordinates of the plugin for security, as a zip

	plugins     []string // plugin classes below group: the HTTP transport and _delete_by_query
	descriptors bool     // plugins are given as descriptors rather than classes

	settings     map[string]string // settings beyond the common ones
	initialNodes string            // setting that names the nodes of a new cluster

	minJava, maxJava int      // JDK releases it runs on; maxJava 0: no limit known
	javaEnv          string   // variable that names its JDK
	jvmFlags         []string // beyond the common ones
}

const defaultEngine = "opensearch2"

const (
	initialManagers = "cluster.initial_cluster_manager_nodes"
	initialMasters  = "cluster.initial_master_nodes"
)

var distributions = []distribution{
	{
		name: "opensearch2", group: "org.opensearch", artifact: "opensearch", version: "2.19.1", log4j: "2.21.0",
		security:     "org.opensearch.plugin:opensearch-security:2.19.1.0:zip",
		plugins:      []string{"transport.Netty4Plugin", "index.reindex.ReindexPlugin"},
		initialNodes: initialManagers,
		minJava:      17, javaEnv: envJava17,
	},
	{
		name: "opensearch1", group: "org.opensearch", artifact: "opensearch", version: "1.3.13", log4j: "2.17.1",
		plugins:      []string{"transport.Netty4Plugin", "index.reindex.ReindexPlugin"},
		initialNodes: initialMasters,
		minJava:      17, javaEnv: envJava17,
	},
	{
		name: "opensearch3", group: "org.opensearch", artifact: "opensearch", version: "3.8.0", log4j: "2.25.4",
		plugins:      []string{"transport.Netty4ModulePlugin", "index.reindex.ReindexModulePlugin"},
		descriptors:  true,
		initialNodes: initialManagers,
		minJava:      25, javaEnv: envJava25,
		jvmFlags: []string{"--enable-native-access=ALL-UNNAMED", "--add-modules=jdk.incubator.vector"},
	},
	{
		name: "es710", group: "org.elasticsearch", artifact: "elasticsearch", version: "7.10.2", log4j: "2.11.1",
		plugins:      []string{"transport.Netty4Plugin", "index.reindex.ReindexPlugin"},
		initialNodes: initialMasters,
		minJava:      17, javaEnv: envJava17,
	},
	{
		name: "es717", group: "org.elasticsearch", artifact: "elasticsearch", version: "7.17.29", log4j: "2.17.1",
		plugins:      []string{"transport.Netty4Plugin", "reindex.ReindexPlugin"},
		initialNodes: initialMasters,
		minJava:      17, javaEnv: envJava17,
	},
	{
		name: "es8", group: "org.elasticsearch", artifact: "elasticsearch", version: "8.19.21",
		whole:        "org.elasticsearch.distribution.integ-test-zip:elasticsearch:8.19.21:zip",
		settings:     map[string]string{"xpack.security.enabled": "false", "indices.merge.disk.check_interval": "0s"}, // no merge waits for a full disk
		initialNodes: initialMasters,
		minJava:      17, javaEnv: envJava17,
	},
}

// Names lists the engines that can be started, the default one first.
func Names() []string { return namesOf(func(distribution) bool { return true }) }

func namesOf(chosen func(distribution) bool) []string {
	var names []string
	for _, d := range distributions {
		if chosen(d) {
			names = append(names, d.name)
		}
	}
	return names
}

// securable reports whether the engine can have security.
func (d distribution) securable() bool { return d.whole != "" || d.security != "" }

func lookUp(name string) (distribution, error) {
	i := slices.IndexFunc(distributions, func(d distribution) bool { return d.name == name })
	if i < 0 {
		return distribution{}, fmt.Errorf("no engine is called %q; there are %s", name, strings.Join(Names(), ", "))
	}
	return distributions[i], nil
}

// settings returns the node's settings: one node, on loopback, that neither a full disk
// nor many small indices can stop. The caller's settings, extra, override them; an empty
// value removes a setting.
func (s *spec) settings(httpPort, transportPort int) map[string]string {
	m := map[string]string{
		"path.home":      filepath.Join(s.dir, "home"),
		"path.data":      s.data,
		"node.name":      "n1",
		"cluster.name":   s.cluster,
		"network.host":   "127.0.0.1",
		"http.port":      strconv.Itoa(httpPort),
		"transport.port": strconv.Itoa(transportPort),
		"discovery.type": "single-node",
		"cluster.routing.allocation.disk.threshold_enabled": "false",
		"cluster.max_shards_per_node":                       "5000",
	}
	maps.Copy(m, s.dist.settings)
	if s.security != nil {
		maps.Copy(m, s.security.settings)
	}
	maps.Copy(m, s.extra)
	maps.DeleteFunc(m, func(_, v string) bool { return v == "" })
	return m
}

// arguments returns the command line of the JVM, without the java itself.
func (s *spec) arguments(tools toolchain, httpPort, transportPort int) []string {
	plugins := make([]string, len(s.dist.plugins))
	for i, p := range s.dist.plugins {
		plugins[i] = s.dist.group + "." + p
	}
	jars := tools.classPath
	if s.security != nil && tools.security != "" {
		plugins = append(plugins, s.dist.group+".security.OpenSearchSecurityPlugin")
		jars += string(filepath.ListSeparator) + filepath.Join(tools.security, "*")
	}
	scratch := ""
	if s.scratch {
		scratch = s.dir
	}
	args := []string{
		"-Xms" + s.heap, "-Xmx" + s.heap,
		"-XX:+ExitOnOutOfMemoryError",
		"-Dfile.encoding=UTF-8",
		"-Djava.io.tmpdir=" + filepath.Join(s.dir, "tmp"),
		"-Dlog4j2.disable.jmx=true",
		"-Dlog4j.configurationFile=" + filepath.Join(tools.node, logConfig),
		"-Dengine.root=" + s.dist.group,
		"-Dengine.plugins=" + strings.Join(plugins, ","),
		"-Dengine.descriptors=" + strconv.FormatBool(s.dist.descriptors),
		"-Dengine.lease=" + s.leaseFile(),
		"-Dengine.grace=" + strconv.FormatInt(s.grace.Milliseconds(), 10),
		"-Dengine.scratch=" + scratch,
	}
	args = append(args, s.dist.jvmFlags...)
	classPath := tools.node
	if s.dist.whole == "" {
		classPath += string(filepath.ListSeparator) + jars
	} else {
		args = append(args, "--module-path", filepath.Join(tools.whole, "lib"), "--add-modules=ALL-MODULE-PATH,jdk.net",
			"-Dengine.modules="+filepath.Join(tools.whole, "modules"), "-Dengine.added="+tools.added)
	}
	args = append(args, "-cp", classPath, nodeClass)
	settings := s.settings(httpPort, transportPort)
	for _, k := range slices.Sorted(maps.Keys(settings)) {
		args = append(args, k+"="+settings[k])
	}
	return args
}
