// Package elasticstore keeps sessions in Elasticsearch or OpenSearch.
//
//	store, err := elasticstore.Open(ctx, elasticstore.ClientConfig{
//		URLs: []string{"https://node1.example:9200", "https://node2.example:9200"},
//		User: "shop", Password: os.Getenv("ENGINE_PASSWORD"), CAFile: "ca.pem",
//	}, nil)
//
// It passes its tests on OpenSearch 1.3, 2.19 and 3.8 and on Elasticsearch 7.10,
// 7.17 and 8.19, without plugins, scripts or lifecycle management. Of
// Elasticsearch 9 it uses only what is documented; it was not tried. New takes a
// client that you have, of either family.
//
// Operations that meet are gathered: reads into _mget, writes into _bulk. The
// first goes at once, and those that come while requests are under way go with
// the next. So a lone operation isn't delayed, and a busy server makes few
// requests.
//
// # Indices
//
// A session lives in the index of the period of time that it was made in: an
// hour, a day, a week or a month, which the Manager chooses by the lifetime.
//
//	session-2026.11.22     one index for each period
//	session-principals     who is signed in where (ledgers)
//	session-imports        sessions adopted from elsewhere, and their graves
//
// Sweep drops a period's index when nothing in it can matter any more, so that
// the end of a million sessions is one request. Config.OneIndex keeps
// everything in one index instead. A document has the id of its session as its
// _id and is plain JSON; see document.go for its members, which stay the same
// for good. Nothing but what queries need is indexed.
//
// Setup makes an index template and the indices of no period; without it that
// happens before the first operation that needs them. Indices are made with
// all their settings, and marked in the _meta of their mapping. What has one of
// the names without the mark is an error, and is left alone.
//
// # Versions
//
// Processes of several versions can work on the same indices, so a deployment can
// be taken back. Members of a document that a version doesn't know, a later
// version's or an operator's, it keeps as they are when it writes the document
// again (driver.Record.Extra). A document whose member "format" says that it needs a
// later version is driver.ErrNewer. The template is that of the latest version that
// was at work; indices keep the mapping that they were made with, and searches go
// through old and new ones alike.
//
// # Privileges
//
// A login needs, on the indices Index-* (Index alone with OneIndex), in the
// terms of Elasticsearch: create_index, view_index_metadata, read, write,
// maintenance, and for Sweep delete_index; and of the cluster: monitor for
// Report, manage_index_templates for Setup. In those of OpenSearch: crud,
// create_index, indices:admin/get, indices:admin/refresh*, indices:admin/delete
// on the indices, and of the cluster: cluster_composite_ops,
// cluster:monitor/main, indices:admin/index_template/get and put. If somebody
// else runs Setup, the login does without the rights to templates.
//
// # Durability
//
// What was acknowledged is on disk (fsync of the translog) on the primary shard
// and on all its copies in sync. It survives the crash of a process, and with a
// second node that of a machine. While copies are missing it is as safe as the
// disk of the one that is left; the engines say so with the health "yellow".
//
// # Consistency
//
// Get, Create, Update and Bury see the newest state, in every process. Versions
// are the engine's sequence numbers and primary terms. Readers of a shard all
// ask the same one of its copies (preference), as a write that is under way has
// reached some copies and not others. It can be read before it is acknowledged;
// if the primary crashes in that moment it may be gone again, and its writer is
// told that the outcome is unknown. During a partition of the network a node that
// was cut off may answer reads from its old state until the cluster's fault
// detection notices (10 to 90 s by default), as the engines' documentation says,
// and with writes on top that it alone has; what it acknowledges as written is never
// lost, since it can acknowledge nothing. The Manager believes no such read when it
// finds out what became of a write.
//
// What a Store read or wrote lately it keeps (Config.CopyBytes), and asks the
// engine for the version alone when it is read again. Only if that is still the
// copy's is the copy returned: as no two states of a document have the same
// version, this is as good as reading it, and costs the engine less than half. A
// copy that is found stale costs one more request; it isn't asked about again until
// a read has shown that it would have been right. So a cookie that sticks to a
// process (session affinity) makes reads cheap, and processes that take strict
// turns ask once too often and then read as if there were no copies. An index that
// was restored from a snapshot has a new primary term, with which no copy agrees.
// One that was deleted and made anew counts from the start again: who does that
// restarts the processes, unless each has reported that it was missing, by which it
// forgets its copies.
//
// Search, Sweep and Inspector trail by Config.RefreshInterval. Refresh has the engine
// catch up, in all of the store's indices: signing out everywhere does, before it
// searches. Each page of a search is a view of its own: what is written meanwhile may
// or may not be found, and nothing is found twice or left out for having the same
// time. An answer from some of the shards is an error.
//
// An engine may execute a write whose answer was lost, and may retry inside.
// Such outcomes are never guessed: the error is ErrUnknown with ErrUnavailable,
// and the Manager finds out.
//
// # Concurrency
//
// A Store may be used by any number of goroutines, and its indices by any
// number of processes. Config.InFlight bounds the requests, Config.QueueItems
// what waits. What the engine certainly turned down is sent again, with growing
// pauses, while the caller's time lasts. A write that may have happened is sent
// again only if it is an unconditional burial, for which that makes no
// difference.
//
// # Limits
//
// A record, or the answer to Config.MaxItems reads, is bounded by memory and by
// the engine's http.max_content_length (100 MB by default). App and principal
// have to be UTF-8, of at most 32,766 bytes.
//
// # Deviations
//
//   - A record whose period's index is missing, too early to have been dropped,
//     is ErrUnavailable instead of ErrNotFound: it may be a node that lags
//     behind, or a mistake that a snapshot can mend.
//   - In indices of periods, sessions past Expires stay until the period is
//     dropped: at the earliest after its end, one more period and the longest
//     lifetime that was known when the index was made.
//   - Once a period has been dropped, versions of its records may come again.
//     Its ids are older than any session can be.
//   - Values come back byte for byte, but for line breaks between them, which
//     become spaces. What is not UTF-8 in Client becomes U+FFFD.
package elasticstore
