// Package testengine starts real OpenSearch and Elasticsearch processes for tests, from
// the artifacts that both projects publish on Maven Central. It needs only a JDK and
// Maven, and uses neither containers nor mocks.
//
// [Shared] gives the engine that all packages of one `go test` run use together. [Start]
// gives a test an engine of its own, to kill, stop, freeze and restart, and
// [StartCluster] several that form one cluster. [Command] gives all this to programs
// that are no tests. Only the first use on a machine downloads and compiles; the results
// are cached.
//
// # How an engine ends
//
// Each engine has a lease file. A process that uses the engine holds a shared lock on
// it. The system takes that lock away when the process ends: by returning, by a panic,
// by SIGKILL. The engine's JVM tries for the exclusive lock four times a second. Once it
// gets the lock, nobody uses the engine. An engine of [Start] ends at once then. The
// shared one ends when it has been alone for a minute, so that the next package of the
// run still finds it. On Linux the kernel also kills an engine of Start with its owner,
// even while it is frozen. Elsewhere an engine that is frozen when its owner is killed
// stays until it is resumed.
//
// Signals go only to children of this process that have not been waited for, so never to
// a stranger with an old pid. The shared engine is recognized by its random cluster
// name. A process that merely found it never sends it a signal.
//
// # Security
//
// [Options.Security] starts opensearch2 or es8 with TLS and logins. Certificates and
// passwords are new each time; the passwords are in this process's memory only.
//
// # Environment
//
//   - CLOAKROOM_TEST_ENGINE: an address, http://host:port, that Shared uses instead of starting an engine (its user keeps
//     it running and clean); or the name of an engine from [Names], which becomes the default of Shared and Start; or
//     none, and tests that want an engine are skipped.
//   - CLOAKROOM_REQUIRE_ENGINES: 1 makes a missing JDK or Maven a failure. Without it such tests are skipped.
//   - CLOAKROOM_ENGINE_CACHE: where class paths and the compiled node are kept. Defaults to cloakroom/engines in the
//     user's cache directory ([os.UserCacheDir]).
//   - CLOAKROOM_JAVA_HOME: the JDK for engines that run on JDK 17; CLOAKROOM_JAVA25_HOME: the one for opensearch3.
//     Without them JAVA_HOME, the java in PATH and the usual system folders are searched for one that fits.
//
// If an engine can't start although JDK and Maven are there, the test always fails, with
// the end of the engine's log.
package testengine
