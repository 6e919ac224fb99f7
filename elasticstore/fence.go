package elasticstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the fence: a write block on each of our indices, and an index template that
// gives one to those that are made meanwhile, by processes of whatever version. The
// template is also what remembers the fence. It is made first and removed last.

// fence is what the template's _meta says.
type fence struct {
	Since string `json:"since"`
	// Blocked are indices that had a write block before, from somebody else.
	Blocked []string `json:"blocked,omitempty"`
	// Ending: the fence is being removed, and new indices get no block any more.
	Ending bool `json:"ending,omitempty"`
}

// fencePriority is above that of any other template.
const fencePriority = 1 << 30

const keyBlock = "index.blocks.write"

// fence returns the name of the template.
func (n names) fence() string { return n.prefix + "-fence" }

// Fence blocks writes to all indices of the store; see driver.Fencer. The login needs the
// right to manage the indices and the index templates. It takes longer than other
// operations, and ends with ctx.
func (s *Store) Fence(ctx context.Context, since time.Time) error {
	if s.cfg.ReadOnly {
		return opError("fence", errReadOnly)
	}
	return s.long(ctx, "fence", func(ctx context.Context) error {
		f, err := s.getFence(ctx)
		if err != nil {
			return err
		}
		if f == nil || f.Ending {
			next := &fence{Since: since.UTC().Format(time.RFC3339Nano)}
			if f != nil {
				next.Blocked = f.Blocked
			} else if next.Blocked, _, err = s.blocks(ctx); err != nil {
				return err
			}
			if f, err = s.setFence(ctx, next, f == nil); err != nil {
				return err
			}
		}
		return s.blockAll(ctx, f.Blocked)
	})
}

// setFence makes the fence, or replaces one that is being removed. Of several that make it
// at the same time one does: its Blocked tells blocks of others from those of the fence. It
// returns the fence that is there then.
func (s *Store) setFence(ctx context.Context, f *fence, create bool) (*fence, error) {
	err := s.putFence(ctx, f, create)
	if err == nil || !create {
		return f, err
	}
	there, again := s.getFence(ctx)
	if again != nil || there == nil || there.Ending {
		return nil, err
	}
	return there, nil
}

// Unfence removes the blocks that Fence has set; see driver.Fencer. Blocks that were there
// before stay.
func (s *Store) Unfence(ctx context.Context) error {
	if s.cfg.ReadOnly {
		return opError("unfence", errReadOnly)
	}
	return s.long(ctx, "unfence", func(ctx context.Context) error {
		f, err := s.getFence(ctx)
		if err != nil {
			return err
		}
		if f == nil { // one whose answer was lost may be on its way
			err := s.removeFence(ctx)
			if denied, ok := errors.AsType[*fault](err); ok && denied.forbidden {
				return nil // a login that may not remove one has made none
			}
			return err
		}
		again := f.Ending
		f.Ending = true
		if err := s.putFence(ctx, f, false); err != nil { // from now on no index is made with a block
			return err
		}
		names, open, err := s.blocks(ctx)
		if err != nil {
			return err
		}
		if !again {
			names = append(names, open...) // with a block that was begun and not completed
		}
		names = slices.DeleteFunc(names, func(name string) bool { return slices.Contains(f.Blocked, name) })
		for names := range slices.Chunk(names, atOnce) {
			// A block that was begun and not completed would outlast its setting.
			if _, err := s.block(ctx, names, nil, map[string]bool{}); err != nil {
				return err
			}
			a, err := s.ask(ctx, request{
				method: http.MethodPut, path: "/" + strings.Join(names, ",") + "/_settings", query: "ignore_unavailable=true&" + s.timeoutQuery(),
				body: []byte(`{"` + keyBlock + `":null}`),
			}, http.StatusNotFound)
			if err != nil {
				return err
			}
			a.release()
		}
		return s.removeFence(ctx)
	})
}

// removeFence removes the fence's template.
func (s *Store) removeFence(ctx context.Context) error {
	a, err := s.ask(ctx, request{method: http.MethodDelete, path: "/_index_template/" + s.names.fence()}, http.StatusNotFound)
	if err == nil {
		a.release()
	}
	return err
}

// Fenced returns since when the store is fenced; see driver.Fencer. An index that takes
// writes all the same is an error.
func (s *Store) Fenced(ctx context.Context) (since time.Time, err error) {
	err = s.long(ctx, "fenced", func(ctx context.Context) error {
		f, err := s.getFence(ctx)
		if err != nil || f == nil {
			return err
		}
		_, open, err := s.blocks(ctx)
		if err == nil && !f.Ending && len(open) > 0 {
			return &fault{certain: true, text: fmt.Sprintf("the store is fenced since %s, but these indices take writes: %s; fence it again, or end the fence", f.Since, quoted(open))}
		}
		if since, err = time.Parse(time.RFC3339, f.Since); err != nil {
			since, err = time.Unix(0, 0).UTC(), nil // somebody has edited it
		}
		return err
	})
	return since, err
}

// has reports whether the fence has blocked an index. A nil fence has none.
func (f *fence) has(index string) bool { return f != nil && !slices.Contains(f.Blocked, index) }

// reportFence tells of a fence.
func (x *examination) reportFence(ctx context.Context, f *findings) {
	there, err := x.getFence(ctx)
	if err != nil {
		f.learned("whether writes are fenced", seeTemplates, err)
		return
	}
	if x.fence = there; there != nil {
		f.problem("writes-fenced", driver.SeverityFail, fencedRemedy, "The store refuses all writes since %s, as its sessions move to another store. What has to be saved is an outage.", there.Since)
	}
}

const fencedRemedy = "Start the application on the other store, and stop it here. To give the move up, as long as nothing uses the other store, run cloakroom copy --unfence."

// long runs an operation that is bounded by its context alone.
func (s *Store) long(ctx context.Context, op string, f func(context.Context) error) error {
	long, done, err := s.beginLong(ctx)
	if err != nil {
		return searchError(ctx, op, err)
	}
	defer done()
	if err = s.prepareToRead(long); err == nil {
		err = f(long)
	}
	switch {
	case err == nil:
		return nil
	case ctx.Err() == nil && context.Cause(long) != nil:
		return opError(op, driver.ErrClosed)
	}
	return searchError(ctx, op, err)
}

// atOnce bounds the indices that one request names.
const atOnce = 40

// blockAll blocks writes to our indices, until none takes any and the engine has said so of
// each. That a setting says so isn't enough: it says so before writes under way have ended.
// except had a block before, from somebody else.
func (s *Store) blockAll(ctx context.Context, except []string) error {
	sure := map[string]bool{}
	for _, name := range except {
		sure[name] = true
	}
	for b := s.backoff(); ; {
		blocked, open, err := s.blocks(ctx)
		if err != nil {
			return err
		}
		left := slices.DeleteFunc(append(slices.Clone(open), blocked...), func(name string) bool { return sure[name] && !slices.Contains(open, name) })
		if len(left) == 0 {
			return nil
		}
		var failed *fault
		known := len(sure)
		for names := range slices.Chunk(left, atOnce) {
			f, err := s.block(ctx, names, blocked, sure)
			if err != nil {
				return err
			}
			if f != nil {
				failed = f
			}
		}
		if failed == nil && len(sure) == known {
			failed = &fault{certain: true, text: "the engine doesn't say that it blocks " + quoted(left)}
		}
		if failed != nil && (failed.forbidden || b.tries > 8 || !b.pause(ctx)) {
			return failed
		}
	}
}

// block blocks writes to indices, and notes those of which that is sure. An index that had
// a block before isn't in the answer.
func (s *Store) block(ctx context.Context, names, before []string, sure map[string]bool) (*fault, error) {
	r := request{method: http.MethodPut, path: "/" + strings.Join(names, ",") + "/_block/write", query: "ignore_unavailable=true&" + s.timeoutQuery()}
	a, err := s.ask(ctx, r, http.StatusNotFound)
	if err != nil {
		return nil, err
	}
	defer a.release()
	var body struct {
		Indices []struct {
			Name      string       `json:"name"`
			Blocked   bool         `json:"blocked"`
			Exception blockFailure `json:"exception"`
			Failed    []struct {
				Failures []struct {
					Reason blockFailure `json:"reason"`
				} `json:"failures"`
			} `json:"failed_shards"`
		} `json:"indices"`
	}
	if err := json.Unmarshal(a.body, &body); err != nil {
		return nil, malformed(&r, "%v", err)
	}
	var failed *fault
	answered := map[string]bool{}
	for _, i := range body.Indices {
		answered[i.Name] = true
		if i.Blocked {
			sure[i.Name] = true
			continue
		}
		why := i.Exception
		for _, shard := range i.Failed {
			for _, f := range shard.Failures {
				why = f.Reason
			}
		}
		e := said{kind: why.Type, reason: why.Reason, index: i.Name}
		failed = e.fault(r.String(), false)
	}
	for _, name := range names {
		if !answered[name] && slices.Contains(before, name) {
			sure[name] = true
		}
	}
	return failed, nil
}

// blockFailure is why an engine couldn't block an index.
type blockFailure struct {
	Type   string `json:"type"`
	Reason string `json:"reason"`
}

// blocks returns our indices that have a write block, and those that have none.
func (s *Store) blocks(ctx context.Context) (blocked, open []string, err error) {
	list, err := s.listIndices(ctx, s.names.pattern())
	if err != nil {
		return nil, nil, err
	}
	r := request{
		method: http.MethodGet, path: "/" + s.names.pattern() + "/_settings",
		query: "expand_wildcards=open,closed&flat_settings=true&filter_path=*.settings." + strings.ReplaceAll(keyBlock, ".", "%5C."),
	}
	a, err := s.ask(ctx, r, http.StatusNotFound)
	if err != nil {
		return nil, nil, err
	}
	defer a.release()
	var body map[string]struct {
		Settings map[string]string `json:"settings"`
	}
	if a.status != http.StatusNotFound {
		if err := json.Unmarshal(a.body, &body); err != nil {
			return nil, nil, malformed(&r, "%v", err)
		}
	}
	seen := map[string]bool{}
	for _, info := range s.byName(list) {
		switch {
		case info.mark == nil || seen[info.name]:
		case body[info.name].Settings[keyBlock] == "true":
			blocked = append(blocked, info.name)
		default:
			open = append(open, info.name)
		}
		seen[info.name] = true
	}
	slices.Sort(blocked)
	slices.Sort(open)
	return blocked, open, nil
}

// getFence reads the fence; nil: there is none.
func (s *Store) getFence(ctx context.Context) (*fence, error) {
	r := request{method: http.MethodGet, path: "/_index_template/" + s.names.fence()}
	a, err := s.ask(ctx, r, http.StatusNotFound)
	if err != nil {
		return nil, err
	}
	defer a.release()
	if a.status == http.StatusNotFound {
		return nil, s.checkMissing(&r, a)
	}
	var body struct {
		Templates []struct {
			Template struct {
				Meta struct {
					Cloakroom struct {
						Fence *fence `json:"fence"`
					} `json:"cloakroom"`
				} `json:"_meta"`
			} `json:"index_template"`
		} `json:"index_templates"`
	}
	if err := json.Unmarshal(a.body, &body); err != nil {
		return nil, malformed(&r, "%v", err)
	}
	for _, t := range body.Templates {
		if f := t.Template.Meta.Cloakroom.Fence; f != nil {
			return f, nil
		}
	}
	return nil, &fault{certain: true, settings: true, text: fmt.Sprintf("the index template %q is not one of this package: remove it, or choose another Config.Index", s.names.fence())}
}

// putFence makes the fence's template, or replaces it unless create is set. It is ours, of
// which it takes the place meanwhile, with the block.
func (s *Store) putFence(ctx context.Context, f *fence, create bool) error {
	there, err := s.getTemplate(ctx)
	if err != nil {
		return err
	}
	if there.mark == nil {
		there = template{}
	}
	text, err := json.Marshal(s.indexSettings())
	if err != nil {
		return err
	}
	whole := s.merged(there, markOfOurs{Format: format, Settings: string(text), Priority: s.cfg.TemplatePriority})
	inner, _ := dig(whole, "template")
	settings, _ := dig(inner, "settings")
	delete(settings, keyBlock)
	if !f.Ending {
		settings[keyBlock] = true
	}
	whole["priority"] = fencePriority
	whole["_meta"] = object{"cloakroom": object{"fence": f}}
	delete(whole, "version")
	body, err := json.Marshal(whole)
	if err != nil {
		return err
	}
	r := request{method: http.MethodPut, path: "/_index_template/" + s.names.fence(), query: "create=" + strconv.FormatBool(create), body: body}
	a, err := s.ask(ctx, r)
	if err != nil {
		return err
	}
	a.release()
	return nil
}
