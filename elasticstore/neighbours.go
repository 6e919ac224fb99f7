package elasticstore

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file finds index templates of others that have the store's names in their
// patterns, before they do harm.

// otherTemplate is another's index template, of either kind.
type otherTemplate struct {
	name       string
	patterns   []string
	priority   int
	dataStream bool
	legacy     bool
}

// capture is a foreign template that decides about names of the store.
type capture struct {
	otherTemplate
	example string // one of the names
}

// shape is a form of names: each # stands for a digit.
type shape struct{ form, example string }

// shapes returns the forms of all names, with an example of each.
func (n names) shapes(now time.Time) (list []shape) {
	for _, f := range []struct {
		layout driver.Layout
		form   string
	}{
		{driver.LayoutDay, "-20##.##.##"}, {driver.LayoutHour, "-20##.##.##-##"}, {driver.LayoutWeek, "-20##.w##"}, {driver.LayoutMonth, "-20##.##"},
	} {
		if p, ok := n.holding(f.layout, now); ok {
			list = append(list, shape{n.prefix + f.form, p.index})
		}
	}
	for _, name := range n.lasting() {
		list = append(list, shape{name, name})
	}
	return list
}

// fit reports whether some name fits both a pattern and another pattern or form. In
// patterns * stands for any text.
func fit(pattern, other string) bool {
	// fits[j]: the rest of pattern and other[j:] meet.
	fits := make([]bool, len(other)+1)
	for i := len(pattern); i >= 0; i-- {
		next := make([]bool, len(other)+1)
		for j := len(other); j >= 0; j-- {
			p, o := i < len(pattern), j < len(other)
			switch {
			case !p && !o:
				next[j] = true
			case p && pattern[i] == '*':
				next[j] = fits[j] || o && next[j+1]
			case o && other[j] == '*':
				next[j] = next[j+1] || p && fits[j]
			case p && o && (pattern[i] == other[j] || other[j] == '#' && pattern[i] >= '0' && pattern[i] <= '9'):
				next[j] = fits[j+1]
			}
		}
		fits = next
	}
	return fits[0]
}

// matches reports whether a template has names of a form.
func (f otherTemplate) matches(form string) bool {
	for _, pattern := range f.patterns {
		if fit(pattern, form) {
			return true
		}
	}
	return false
}

// captures returns the templates that take precedence over ours, or that decide because
// ours is not there. An engine takes the one with the highest priority alone; without any
// it takes all of the legacy kind.
func (s *Store) captures(list []otherTemplate, ours *otherTemplate) (found []capture) {
	seen := map[string]bool{}
	for _, sh := range s.names.shapes(s.cfg.now()) {
		var first *otherTemplate
		for i := range list {
			f := &list[i]
			if f.legacy || !f.matches(sh.form) || ours != nil && f.priority <= ours.priority {
				continue
			}
			if first == nil || f.priority > first.priority {
				first = f
			}
		}
		for i := range list {
			f := &list[i]
			decides := f == first || first == nil && ours == nil && f.legacy && f.matches(sh.form)
			if decides && !seen[f.name] {
				seen[f.name] = true
				found = append(found, capture{*f, sh.example})
			}
		}
	}
	return found
}

// templatesThere lists the index templates of the cluster. ours is the one with our name,
// nil if it isn't there.
func (s *Store) templatesThere(ctx context.Context) (others []otherTemplate, ours *otherTemplate, err error) {
	r := request{
		method: http.MethodGet, path: "/_index_template", query: "filter_path=index_templates.name," +
			"index_templates.index_template.index_patterns,index_templates.index_template.priority,index_templates.index_template.data_stream",
	}
	a, err := s.ask(ctx, r)
	if err != nil {
		return nil, nil, err
	}
	defer a.release()
	var body struct {
		Templates []struct {
			Name     string `json:"name"`
			Template struct {
				Patterns   []string        `json:"index_patterns"`
				Priority   int             `json:"priority"`
				DataStream json.RawMessage `json:"data_stream"`
			} `json:"index_template"`
		} `json:"index_templates"`
	}
	if err := json.Unmarshal(a.body, &body); err != nil {
		return nil, nil, malformed(&r, "%v", err)
	}
	for _, t := range body.Templates {
		if t.Name == s.names.fence() {
			continue // it is ours, and told by itself
		}
		f := otherTemplate{name: t.Name, patterns: t.Template.Patterns, priority: t.Template.Priority, dataStream: len(t.Template.DataStream) > 0}
		if t.Name == s.names.template() {
			ours = &f
		} else {
			others = append(others, f)
		}
	}
	if ours == nil {
		others = append(others, s.legacyTemplates(ctx)...)
	}
	return others, ours, nil
}

// legacyTemplates lists the templates of the legacy kind. They matter only where no
// template of the present kind has an index's name. An engine that has none of the kind,
// or doesn't show them, has none here.
func (s *Store) legacyTemplates(ctx context.Context) (list []otherTemplate) {
	a, err := s.ask(ctx, request{method: http.MethodGet, path: "/_template", query: "filter_path=*.index_patterns,*.order"})
	if err != nil {
		return nil
	}
	defer a.release()
	var body map[string]struct {
		Patterns []string `json:"index_patterns"`
		Order    int      `json:"order"`
	}
	if json.Unmarshal(a.body, &body) != nil {
		return nil
	}
	for name, t := range body {
		list = append(list, otherTemplate{name: name, patterns: t.Patterns, priority: t.Order, legacy: true})
	}
	return list
}

// reportNeighbours reports foreign templates that decide about the store's names.
func (s *Store) reportNeighbours(ctx context.Context, f *findings) {
	list, ours, err := s.templatesThere(ctx)
	if !f.learned("whether others' index templates have the store's names in their patterns", seeTemplates, err) {
		return
	}
	for _, c := range s.captures(list, ours) {
		c.report(ours, f)
	}
	if ours != nil || s.cfg.NoTemplate {
		return
	}
	for _, other := range list {
		if !other.legacy && other.priority == s.cfg.TemplatePriority && slices.ContainsFunc(s.names.templatePatterns(), other.matches) {
			f.problem("template-overlap", driver.SeverityWarn,
				"Set Config.TemplatePriority to another number, or narrow the other's patterns, and run setup. Or do without (Config.NoTemplate).",
				"The index template %q has patterns (%s) that overlap with ours, and the same priority, %d. So the engine refuses ours. Indices are made without it.",
				other.name, quoted(other.patterns), other.priority)
		}
	}
}

// report reports one template that decides.
func (c capture) report(ours *otherTemplate, f *findings) {
	remedy := fmt.Sprintf("Narrow its patterns, which are %s, or lower its priority, or set Config.TemplatePriority above %d and run setup.",
		quoted(c.patterns), c.priority)
	what := fmt.Sprintf("The index template %q, which isn't the store's, has names such as %q in its patterns", c.name, c.example)
	switch {
	case c.dataStream:
		f.problem("template-data-stream", driver.SeverityFail, remedy,
			"%s, and makes data streams of them. The engine refuses to make the store's indices of these names.", what)
	case ours != nil:
		f.problem("template-captures", driver.SeverityWarn, remedy,
			"%s, and takes precedence over the store's. Indices that the store makes have all that they need, and whatever else this template adds. "+
				"An index that the engine makes by itself isn't the store's.", what)
	default:
		f.problem("template-captures", driver.SeverityInfo, "It's for you to know; the store's own template would take precedence by a higher priority.",
			"%s, and the store has no template here. Indices that the store makes have all that they need, and whatever else this template adds.", what)
	}
}

// tellNeighbours logs, once, which foreign templates decide about our names. That one
// keeps ours from being made is told where it happens. tellNeighbours never fails what it
// is called for.
func (s *Store) tellNeighbours(ctx context.Context) {
	if s.unseen.Load() {
		return
	}
	var f findings
	s.reportNeighbours(ctx, &f)
	for _, p := range f.problems {
		if p.Code != "template-overlap" && p.Severity != driver.SeverityInfo && s.notes.first(p.Code+p.Meaning) {
			s.cfg.Logger.Warn("elasticstore: "+p.String(), "problem", p.Code)
		}
	}
}
