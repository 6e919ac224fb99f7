package elasticstore

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"

	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/batch"
)

// This file reads an engine's errors. It tells whether each rules out that a write was
// executed, and whether to try again, and turns it into an error of package driver.

// fault is the reason why a request, or one item of it, was not carried out. It tells
// whether a write may have been executed. Outcomes that callers tell apart, such as a
// conflict, are no faults.
type fault struct {
	text  string
	cause error

	// certain: nothing was executed. Otherwise a write may have been, or may yet be.
	certain bool
	// again says whether trying again may help.
	again again
	// settings: no outage, but a fault that the operator must mend.
	settings bool
	// forbidden: the login lacks a privilege.
	forbidden bool
	// blocked: the index, or the cluster, takes no writes.
	blocked bool
	// overlap: another's template keeps ours from being made. Indices can be made.
	overlap bool
}

type again uint8

const (
	never  again = iota
	thrice       // nobody there: a longer wait would only pile up requests
	always       // busy: until the caller's time is over
)

func (f *fault) Error() string {
	if f.cause == nil {
		return f.text
	}
	if f.text == "" {
		return f.cause.Error()
	}
	return f.text + ": " + f.cause.Error()
}

// Unwrap returns the cause, unless that is the end of a context: it was the request's
// own context, and says nothing about the caller's.
func (f *fault) Unwrap() error {
	if errors.Is(f.cause, context.DeadlineExceeded) || errors.Is(f.cause, context.Canceled) {
		return nil
	}
	return f.cause
}

var (
	// errNoIndex: the node that was asked doesn't know the item's index.
	errNoIndex = errors.New("no such index")
	// errVersion: a compare-and-set found another version, or a create found a document.
	errVersion = errors.New("version conflict")
)

// refusal is the engine's reason to refuse a document.
type refusal struct {
	text    string
	large   bool // for its size: another form won't help
	mapping bool // for the index's mapping
}

func (r *refusal) Error() string { return r.text }

// unavailable turns a failure into an error that callers know. sent tells that a write
// may have been executed.
func unavailable(err error, sent bool) error {
	switch {
	case errors.Is(err, driver.ErrUnavailable), errors.Is(err, driver.ErrClosed):
		return err
	case sent:
		return fmt.Errorf("%w: %w: %w", driver.ErrUnavailable, driver.ErrUnknown, err)
	}
	return fmt.Errorf("%w: %w", driver.ErrUnavailable, err)
}

// fromBatch translates a Batcher's own errors. sent tells whether the operation may have
// been sent; ok is false for errors of Flush.
func fromBatch(ctx context.Context, err error) (sent, ok bool, own error) {
	switch {
	case errors.Is(err, batch.ErrClosed):
		return false, true, driver.ErrClosed
	case errors.Is(err, batch.ErrTooLarge):
		return false, true, fmt.Errorf("%w: the document is larger than Config.QueueBytes", driver.ErrTooLarge)
	case errors.Is(err, batch.ErrFull):
		return false, true, fmt.Errorf("%w: %w: too many operations wait for the engine (Config.QueueItems, QueueBytes)",
			driver.ErrUnavailable, driver.ErrOverloaded)
	case ctx.Err() == nil:
		return false, false, nil
	case errors.Is(err, batch.ErrNotSent):
		return false, true, fmt.Errorf("before it was sent: %w", contextError(ctx))
	case errors.Is(err, ctx.Err()):
		return true, true, contextError(ctx)
	}
	return false, false, nil
}

// performFault makes the fault of a request that had no answer.
func performFault(ctx context.Context, what string, err error) *fault {
	f := &fault{text: what, cause: err, again: thrice}
	var dial *net.OpError
	switch {
	case ctx.Err() != nil:
		f.text, f.again = what+": no answer in time", never
	case errors.As(err, &dial) && dial.Op == "dial":
		f.certain = true
	}
	var scheme *schemeError
	var login *loginError
	switch {
	case isTLS(err):
		f.certain, f.again, f.settings = true, never, true
		if remedy := certificateRemedy(err); remedy != "" {
			f.cause = fmt.Errorf("%w; %s", err, remedy)
		}
	case errors.As(err, &scheme):
		// The port was found to speak another protocol after the request. So what was
		// written may have been executed just before that.
		f.again, f.settings = never, true
	case errors.As(err, &login):
		f.certain = true
	}
	return f
}

// isTLS reports whether a connection failed because of its certificates, or because one
// side doesn't speak TLS. Then nothing was sent, and trying again won't help.
func isTLS(err error) bool {
	var certificate *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	return errors.As(err, &certificate) || errors.As(err, &record) ||
		strings.Contains(err.Error(), "server gave HTTP response to HTTPS client")
}

// certificateRemedy returns what to do about a node's certificate; "" if its error says so.
func certificateRemedy(err error) string {
	var authority x509.UnknownAuthorityError
	var host x509.HostnameError
	switch {
	case errors.As(err, &authority):
		return "name the file with the certificate of the authority that signed the node's, in ClientConfig.CAFile"
	case errors.As(err, &host):
		return "write a name that the node's certificate has, in ClientConfig.URLs"
	}
	return ""
}

// said is an engine's description of a failure, of a request or of an item.
type said struct {
	status int
	kind   string // such as index_not_found_exception
	reason string
	index  string // the index that failed, if the engine names it
}

// said reads an error. It takes the cause instead if the error itself gives no reason,
// as in searches.
func (s *scanner) said() said { return s.saidTo(3) }

func (s *scanner) saidTo(depth int) (e said) {
	if s.peek() == '"' { // the short form
		e.reason = s.str()
		return e
	}
	var cause said
	s.object(func(name []byte) {
		switch string(name) {
		case "type":
			e.kind = s.str()
		case "reason":
			e.reason = s.str()
		case "index":
			if raw := s.skip(); len(raw) > 2 && raw[0] == '"' {
				e.index = string(raw[1 : len(raw)-1]) // names of indices need no escapes
			}
		case "caused_by":
			raw := s.skip()
			if depth > 0 && cause.kind == "" {
				cause = (&scanner{data: raw}).saidTo(depth - 1)
			}
		case "root_cause":
			inner := scanner{data: s.skip()}
			inner.array(func() {
				if first := inner.saidTo(0); cause.kind == "" {
					cause = first
				}
			})
		default:
			s.skip()
		}
	})
	if cause.kind != "" && (e.reason == "" || e.reason == "all shards failed" || cause.tellsMore()) {
		e = cause
	}
	return e
}

// tellsMore reports whether a cause tells whose fault it is, which the error doesn't.
func (e said) tellsMore() bool {
	return strings.Contains(e.reason, "timestamp field") || strings.Contains(e.reason, "immense term") || strings.Contains(e.reason, "Limit of ")
}

// String is fit for logs: it cuts the documents that engines quote in their reasons.
func (e said) String() string {
	reason := e.reason
	for _, quote := range []string{" at [Source", "Preview of field's value", ". Original value", " in document with id", " The prefix of the first"} {
		reason, _, _ = strings.Cut(reason, quote)
	}
	if i := strings.IndexByte(reason, '\n'); i >= 0 {
		reason = reason[:i]
	}
	const most = 400
	if len(reason) > most {
		reason = strings.ToValidUTF8(reason[:most], "") + "…"
	}
	if e.index != "" && !strings.Contains(reason, e.index) {
		reason = fmt.Sprintf("[%s] %s", e.index, reason)
	}
	switch {
	case e.kind == "" && reason == "":
		return fmt.Sprintf("status %d", e.status)
	case e.kind == "":
		return fmt.Sprintf("%s (status %d)", reason, e.status)
	case e.status == 0:
		return fmt.Sprintf("%s (%s)", reason, e.kind)
	}
	return fmt.Sprintf("%s (%s, status %d)", reason, e.kind, e.status)
}

// rejected reports whether the engine turned work down before it did any of it.
func (e said) rejected() bool {
	switch e.kind {
	case "es_rejected_execution_exception", "rejected_execution_exception", "circuit_breaking_exception":
		return true
	}
	return false
}

// fault makes the fault of an engine's error. write tells that the request, or item,
// would have written.
func (e said) fault(what string, write bool) *fault {
	f := &fault{text: what + ": " + e.String(), again: never}
	switch {
	case e.rejected():
		f.certain, f.again = true, always
	case e.kind == "cluster_block_exception", e.kind == "index_create_block_exception":
		f.again, f.blocked = always, true // not certain: the engine may have retried inside
		if remedy := e.blockRemedy(); remedy != "" {
			f.certain, f.again = true, never
			f.text += "; " + remedy
		}
	case e.kind == "security_exception", e.status == http.StatusForbidden, e.status == http.StatusUnauthorized:
		f.certain, f.settings, f.forbidden = true, true, e.status != http.StatusUnauthorized
		if f.forbidden {
			f.text += "; the login lacks a privilege: the package's documentation lists those that it needs"
		}
	case e.kind == "index_closed_exception":
		f.certain, f.settings = true, true
		f.text += "; open the index again"
	case e.kind == "validation_exception" && strings.Contains(e.reason, "shards"):
		f.certain, f.settings = true, true
		f.text += "; remove indices, or raise cluster.max_shards_per_node"
	case e.kind == "unavailable_shards_exception", e.kind == "no_shard_available_action_exception",
		e.kind == "search_phase_execution_exception" && e.status >= 500:
		f.again = always
		f.text += "; a shard has no copy that works: GET /_cluster/allocation/explain tells why"
	case e.status == http.StatusTooManyRequests:
		f.again = always // not certain: the sender isn't known
	case e.byCluster():
		f.certain, f.settings = true, true
		f.text += e.remedy()
	case e.status >= 500, e.status == 0:
		f.again = always
	case e.status >= 400:
		f.certain = true
	}
	if !write {
		f.certain = true
	}
	return f
}

// blockRemedy returns the remedy for a block that stays until somebody, or an engine
// that watches its disks, removes it. It returns "" for blocks that pass by themselves,
// as during an election.
func (e said) blockRemedy() string {
	has := func(text string) bool { return strings.Contains(e.reason, text) }
	switch {
	case has("allow delete"), has("allow-delete"):
		return "writes are blocked, as engines do when a disk is nearly full: free disk space, then set " +
			"index.blocks.read_only_allow_delete, or cluster.blocks.read_only_allow_delete, to null if the engine doesn't by itself"
	case has("create-index blocked"):
		return "new indices are blocked, as OpenSearch does when its disks are nearly full: free disk space, then set " +
			"cluster.blocks.create_index to null if the engine doesn't by itself"
	case has("[FORBIDDEN/4/"): // closed, or about to be
		return "open the index again"
	case has("[FORBIDDEN/8/"):
		return "somebody has blocked this: if cloakroom copy has, as the sessions move to another store, start the application on that one, " +
			"or end the fence with cloakroom copy --unfence; else set index.blocks.write to null"
	case has("[FORBIDDEN/"):
		return "somebody has blocked this: set the index.blocks, or cluster.blocks, in question to null"
	}
	return ""
}

// readOnlyAlias reports whether a name turned out to be an alias that takes no writes, as
// an operator makes it while documents move (is_write_index).
func (e said) readOnlyAlias() bool {
	return e.status == http.StatusBadRequest && strings.Contains(e.reason, "no write index is defined for alias")
}

// parseError reads the body of an answer with an error status.
func parseError(status int, body []byte) (said, bool) {
	e := said{status: status}
	s := scanner{data: body}
	found := false
	s.object(func(name []byte) {
		if string(name) == "error" {
			e, found = s.said(), true
			return
		}
		s.skip()
	})
	e.status = status
	return e, found && s.end() == nil
}

// excerpt returns the beginning of a body that isn't an engine's.
func excerpt(body []byte) string {
	body = bytes.TrimSpace(body)
	return fmt.Sprintf("%.80q", body[:min(len(body), 80)])
}
