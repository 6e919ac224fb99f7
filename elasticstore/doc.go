// Package elasticstore keeps sessions in Elasticsearch or OpenSearch.
//
//	store, err := elasticstore.Open(ctx, elasticstore.ClientConfig{
//		URLs: []string{"https://node1.example:9200", "https://node2.example:9200"},
//		User: "shop", Password: os.Getenv("ENGINE_PASSWORD"), CAFile: "ca.pem",
//	}, nil)
//
// Its tests pass on OpenSearch 1.3, 2.19 and 3.8 and on Elasticsearch 7.10, 7.17 and
// 8.19, without plugins, scripts or lifecycle management. Elasticsearch 9 was not
// tried; the package uses only its documented interfaces. New takes a client that you
// have, of either family.
//
// Concurrent operations are gathered: reads into _mget, writes into _bulk. The first
// operation goes at once. Those that arrive while requests are under way go with the
// next request. So a lone operation isn't delayed, and a busy server makes few
// requests.
//
// # Indices
//
// A session lives in the index of the period in which it was made. A period is an
// hour, a day, a week or a month; the Manager chooses which by the lifetime.
//
//	session-2026.11.22     one index for each period
//	session-principals     who is signed in where (ledgers)
//	session-imports        sessions adopted from elsewhere, and their graves; made with the first
//
// Sweep drops a period's index when nothing in it can matter any more, so one request
// ends a million sessions. Config.OneIndex keeps everything in one index instead. A
// document is plain JSON, and its _id is the session's id. document.go lists its
// members, which never change their meaning. Only members that queries need are
// indexed.
//
// Setup makes an index template and the index of ledgers. Without Setup, the first
// operation that needs them makes them. Indices are made with all their settings, and
// are marked in the _meta of their mapping. An index or template that has one of the
// names but no mark is an error, and is left alone.
//
// An alias may stand in the place of each index, as operators make it to move, shrink or
// upgrade one. docs/operations.md has the recipe. Block writes at the source while its
// documents move, and make the alias with "is_write_index": false. Each process looks at
// an alias when an answer shows it, and writes into the index behind it.
//
// An index of a period is written until it is dropped, long after its period: by saves
// and touches of sessions that began in it, by sign-outs, and by graves. So it has to stay
// open for writes. Where a lifecycle policy makes it read-only or shrinks it, its sessions
// are still read, and can neither be saved nor signed out. A force-merge, more replicas
// and another tier do no harm. Leave the dropping to Sweep.
//
// # Lost indices
//
// A register, a document in the index of ledgers, has all indices that were made. A sweep,
// a start, and a read that finds nothing compare it with what is there. An index that is
// missing, or was made anew, is logged as an error by every process that learns of it, and
// stays in Report until Acknowledge. One that was restored from a snapshot is a warning, by
// sweeps, starts and Report. For a missing index, reads wait for 3 s, since a node
// may lag behind, and are ErrUnavailable if their time ends before. Then the index is made
// anew, and its sessions are ErrNotFound. With OneIndex, a loss that no running process
// has seen can't be told: the register was in that index.
//
// # Neighbours
//
// The index template has the patterns INDEX-20*.*, INDEX-principals and INDEX-imports,
// with OneIndex INDEX alone, and the name INDEX-periods (INDEX). Patterns know only "*",
// so an index of others like INDEX-2026-x.y is still among them. Earlier releases had
// INDEX-*; Setup mends it.
//
// The template matters only for an index that the engine makes by itself, when one is
// dropped while somebody writes to it. The Store makes its indices with everything that
// they need, also where it may not make a template, where Config.NoTemplate forbids it,
// or where another template with overlapping patterns and the same priority keeps the
// engine from taking ours (Config.TemplatePriority).
//
// Of several templates the engine takes the one with the highest priority. Another's
// that takes precedence adds to the Store's indices what they don't have themselves, such
// as aliases. It sets no pipeline: default_pipeline and final_pipeline are set to _none.
// If it makes data streams, the engine refuses to make the Store's indices. Setup and
// Open log such a template, and Report names it.
//
// # Settings
//
// Config.Shards, Replicas, RefreshInterval and Settings say what new indices have.
// Existing ones keep what they have. Drift tells where they differ, and ApplySettings
// changes that. Setup never does, since it runs at each deployment, and operators and
// index lifecycle policies set single indices otherwise on purpose.
//
// An operator may edit the template. Edits stay when the configuration changes: settings,
// aliases, component templates, fields that the mapping doesn't name, the priority. New
// indices follow the edited template. An edit of a setting that the configuration has
// stands until the configuration of just that setting changes. These edits are undone by
// the next change, and have no effect on indices that the Store makes:
// translog.durability, the pipelines, the patterns, and fields that the mapping names. To
// have an edit for good, put it into the configuration; Report lists those that override
// it. Where the login may not see templates, edits of settings that the configuration has
// don't reach new indices.
//
// # Versions
//
// Processes of several versions can work on the same indices, so a deployment can
// be taken back. A version that writes a document again keeps the members that it
// doesn't know, a later version's or an operator's, as they are (driver.Record.Extra).
// A document whose member "format" demands a later version is driver.ErrNewer. The
// template is that of the latest version that was at work. Indices keep the mapping
// that they were made with, and searches go through old and new indices alike.
//
// # Privileges
//
// A login needs these privileges, on the indices Index-* (with OneIndex, on Index
// alone) and on the cluster:
//
//   - Elasticsearch, indices: create_index, view_index_metadata, read, write,
//     maintenance, and for Sweep delete_index.
//   - Elasticsearch, cluster: monitor for Report, manage_index_templates for Setup.
//   - OpenSearch, indices: crud, create_index, indices:admin/get,
//     indices:admin/refresh*, indices:admin/delete.
//   - OpenSearch, cluster: cluster_composite_ops, cluster:monitor/main,
//     indices:admin/index_template/get and put.
//
// If somebody else runs Setup, the login does without the rights to templates.
// ApplySettings needs more: manage on the indices in Elasticsearch,
// indices:admin/settings/update in OpenSearch. So do List and Fence, by which sessions
// move to another store: manage on the indices and manage_index_templates in
// Elasticsearch; in OpenSearch also indices:monitor/stats, indices:monitor/settings/get
// and indices:admin/block/add* on the indices, and the right to delete index templates.
//
// Report tells which of these the login lacks, and does without others: with monitor on
// the indices (OpenSearch: indices:monitor/stats) it tells sizes too, and with
// cluster_monitor in OpenSearch health, disks and room for shards.
//
// With Config.ReadOnly a login needs less: in Elasticsearch read on the indices, in
// OpenSearch read and cluster_composite_ops_ro. Report names what it couldn't see, and the
// right that shows it.
//
// # Moving
//
// List and Fence are for moving to another store: docs/one-machine-to-cluster.md. Fence
// sets a write block on each index, and makes an index template, Index-fence, that takes
// precedence over all others and gives the block to new indices. Unfence takes both away.
//
// # Durability
//
// An acknowledged write is on disk (fsync of the translog) on the primary shard and on
// all its copies in sync. It survives the crash of a process, and with a second node
// that of a machine. While copies are missing, it is as safe as the disk of the copy
// that is left; the engines then report the health "yellow".
//
// # Consistency
//
// Get, Create, Update and Bury see the newest state, in every process. Versions
// are the engine's sequence numbers and primary terms.
//
// A write under way has reached some copies of a shard and not others, so all readers
// of a shard ask the same copy (preference). A write can be read before it is
// acknowledged. If the primary crashes in that moment the write may be gone again, and
// its writer gets ErrUnknown. During a network partition, an isolated node may answer
// reads until the cluster's fault detection notices (10 to 90 s by default), as the
// engines' documentation says. Such a read may be stale, or show a write that only
// this node has. Acknowledged writes are never lost, since an isolated node can't
// acknowledge any. The Manager learns no write's outcome from such a read.
//
// A Store keeps copies of records that it read or wrote lately (Config.CopyBytes).
// When such a record is read again, the Store asks the engine for the version alone,
// and returns the copy only if the versions are equal. No two states of a document
// have the same version, so this is as good as a full read, and costs the engine less
// than half. A stale copy costs one more request. It isn't asked about again until a
// full read has shown that it would have been right. So a cookie that sticks to a
// process (session affinity) makes reads cheap. Processes that take strict turns ask
// once too often, and then read as if there were no copies. An index that was restored
// from a snapshot has a new primary term, which no copy has. An index that was deleted
// and made anew, or that stands behind an alias, counts its versions from the start again.
// A Store that sees such a change tells the versions of both apart, and keeps no copy. It
// looks when it finds something missing, at most once in 10 s, and at each sweep. Until
// then a save of a record that was read in the deleted index is compared with the new one:
// it can replace a document, even a grave, that happens to have the same version.
//
// A Manager asks for the engine's time (EngineTime) before it ends anything because of the
// time, and ends nothing by a clock that is ahead of it: see driver.EngineClock. The node
// that answers tells its own. So all nodes' clocks, and those of the application's
// machines, should be set by one source (NTP).
//
// Search, Sweep and Inspector trail by Config.RefreshInterval. Refresh has the engine
// catch up in all of the store's indices; signing out everywhere calls it before it
// searches. Each page of a search is a view of its own. A record that is written
// meanwhile may or may not be found. No record is found twice, or left out, because
// others have the same time. An answer that lacks some of the shards is an error.
//
// An engine may execute a write whose answer was lost, and may retry inside. The Store
// never guesses such an outcome: the error is ErrUnknown with ErrUnavailable, and the
// Manager resolves it.
//
// # Concurrency
//
// A Store may be used by any number of goroutines, and its indices by any number of
// processes. Config.InFlight bounds the requests under way, Config.QueueItems the
// operations that wait. A request that the engine certainly turned down is sent again,
// with growing pauses, while the caller's time lasts. A write that may have happened
// is sent again only if it is an unconditional burial, for which that makes no
// difference.
//
// # Limits
//
// A record, or the answer to Config.MaxItems reads, is bounded by memory. A record is
// also bounded by Config.QueueBytes and by the engine's http.max_content_length (100 MB by
// default); a larger one is driver.ErrTooLarge. App and principal must be UTF-8 of at most
// 32,766 bytes.
//
// # Deviations
//
//   - If a period's index is missing too early to have been dropped, its records are
//     ErrUnavailable for a while, instead of ErrNotFound: a node may lag behind.
//   - In indices of periods, sessions past Expires stay until the period is
//     dropped: at the earliest after its end, one more period and the longest
//     lifetime that was known when the index was made.
//   - Once a period has been dropped, versions of its records may come again.
//     Its ids are older than any session can be.
//   - Values come back byte for byte, except that line breaks in their JSON become
//     spaces. Bytes in Client that are not UTF-8 become U+FFFD.
package elasticstore
