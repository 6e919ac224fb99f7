package elasticstore

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// This file is the index template: its patterns, its making and upgrading, and what it
// keeps of an operator's edits.

// defaultPriority is above that of the templates that come with the engines.
const defaultPriority = 500

// templatePatterns returns the patterns of the index template. They match the names of
// all indices, and as few others as patterns allow, which know only "*".
func (n names) templatePatterns() []string {
	if n.one {
		return []string{n.prefix}
	}
	// A period's name begins with its year, and has a dot behind that.
	return append([]string{n.prefix + "-20*.*"}, n.lasting()...)
}

// template is our index template as it is on the engine.
type template struct {
	found    bool
	patterns []string
	priority int
	mark     *markOfOurs // nil: it isn't ours
	settings object      // with flat names
	whole    object      // all of it, as the engine gave it
}

// putTemplate makes or upgrades the index template.
func (s *Store) putTemplate(ctx context.Context) error {
	if s.cfg.NoTemplate {
		return nil
	}
	name := s.names.template()
	text, err := json.Marshal(s.indexSettings())
	if err != nil {
		return err
	}
	ours := markOfOurs{Format: format, Settings: string(text), Priority: s.cfg.TemplatePriority, Dashboards: s.cfg.Dashboards}
	for try := range 3 {
		there, err := s.getTemplate(ctx)
		if err != nil {
			return err
		}
		query := ""
		switch {
		case !there.found:
			query = "create=true" // never replaces one that another process makes meanwhile
		case there.mark == nil:
			return &fault{certain: true, settings: true, text: fmt.Sprintf(
				"the index template %q is not one of this package: remove it, or choose another Config.Index", name)}
		case there.mark.Format > format:
			return nil
		case *there.mark == ours && slices.Equal(there.patterns, s.names.templatePatterns()):
			return nil
		}
		body, err := json.Marshal(s.merged(there, ours))
		if err != nil {
			return err
		}
		a, err := s.ask(ctx, request{method: http.MethodPut, path: "/_index_template/" + name, query: query, body: body},
			http.StatusBadRequest)
		if err != nil {
			return err
		}
		status := a.status
		e, _ := parseError(a.status, a.body)
		a.release()
		switch {
		case status != http.StatusBadRequest:
			return nil
		case query == "" || try > 0 || overlaps(e):
			return s.templateRefused(e)
		}
		// Perhaps another process has just made it: look again.
	}
	return nil
}

// overlaps reports whether an engine refuses a template because of another's.
func overlaps(e said) bool { return strings.Contains(e.reason, "use a different priority") }

// templateRefused returns the fault of a template that the engine refuses.
func (s *Store) templateRefused(e said) *fault {
	f := &fault{certain: true, settings: true, text: fmt.Sprintf("the engine refuses the index template %q for %s: %v",
		s.names.template(), quoted(s.names.templatePatterns()), e)}
	if overlaps(e) {
		f.overlap = true
		f.text += fmt.Sprintf("; set Config.TemplatePriority to another number than %d, narrow the other template's patterns, "+
			"or do without ours (Config.NoTemplate)", s.cfg.TemplatePriority)
	} else if len(s.cfg.Settings) > 0 {
		f.text += "; see Config.Settings"
	}
	return f
}

// quoted lists names for messages.
func quoted(list []string) string {
	return `"` + strings.Join(list, `", "`) + `"`
}

// merged returns the template's new form. It replaces what the earlier one had from us,
// and keeps an operator's edits: settings, aliases, component templates, mapped fields
// and the rest. An edit of something that is ours stands until the configuration changes
// just that.
func (s *Store) merged(there template, ours markOfOurs) object {
	made, priority := flat{}, ours.Priority
	if there.mark != nil {
		made = readSettings(there.mark.Settings)
		was := there.mark.Priority
		if was == 0 {
			was = defaultPriority // all templates had it before format 3
		}
		if was == ours.Priority {
			priority = there.priority
		}
	}
	settings := object{}
	for name, value := range there.settings {
		if _, once := made[name]; !once {
			settings[name] = value
		}
	}
	maps.Copy(settings, asEdited(s.indexSettings(), made, there.settings))

	body := object{}
	for name, value := range there.whole {
		// Later engines tell when a template was made, and don't take it back.
		if !strings.HasPrefix(name, "created_date") && !strings.HasPrefix(name, "modified_date") {
			body[name] = value
		}
	}
	inner := object{}
	if old, ok := dig(there.whole, "template"); ok {
		maps.Copy(inner, old)
	}
	inner["settings"] = settings
	old, _ := dig(there.whole, "template", "mappings")
	inner["mappings"] = mergedMapping(old, unclashing(mapping(ours)))
	body["template"] = inner
	body["index_patterns"] = s.names.templatePatterns()
	body["priority"] = priority
	return body
}

// mergedMapping returns our mapping with what an operator has added to an earlier one:
// fields that ours doesn't name, members of _meta, and the like.
func mergedMapping(old, ours object) object {
	m := object{}
	maps.Copy(m, old)
	maps.Copy(m, ours)
	if fields, ok := dig(old, "properties"); ok {
		all := maps.Clone(fields)
		for _, name := range objectsBefore {
			delete(all, name) // an earlier release's
		}
		if mine, ok := dig(ours, "properties"); ok {
			maps.Copy(all, mine)
		}
		m["properties"] = all
	}
	if meta, ok := dig(old, "_meta"); ok {
		all := maps.Clone(meta)
		if mine, ok := ours["_meta"].(mark); ok {
			all["cloakroom"] = mine.Cloakroom
		}
		m["_meta"] = all
	}
	return m
}

// dig returns the object at a path of names.
func dig(o object, path ...string) (object, bool) {
	for _, name := range path {
		inner, ok := o[name].(object)
		if !ok {
			return nil, false
		}
		o = inner
	}
	return o, o != nil
}

// getTemplate reads our index template. A login that may not see it isn't asked again for
// each index.
func (s *Store) getTemplate(ctx context.Context) (template, error) {
	name := s.names.template()
	r := request{method: http.MethodGet, path: "/_index_template/" + name}
	a, err := s.ask(ctx, r, http.StatusNotFound)
	if err != nil {
		var f *fault
		if errors.As(err, &f) && f.forbidden {
			s.unseen.Store(true)
		}
		return template{}, err
	}
	defer a.release()
	if a.status == http.StatusNotFound {
		return template{}, s.checkMissing(&r, a)
	}
	var body struct {
		Templates []struct {
			Name     string          `json:"name"`
			Template json.RawMessage `json:"index_template"`
		} `json:"index_templates"`
	}
	if err := json.Unmarshal(a.body, &body); err != nil {
		return template{}, malformed(&r, "%v", err)
	}
	for _, t := range body.Templates {
		if t.Name == name {
			there, err := readTemplate(t.Template)
			if err != nil {
				return template{}, malformed(&r, "%v", err)
			}
			return there, nil
		}
	}
	return template{}, malformed(&r, "the template %q is not in it", name)
}

// readTemplate reads one template.
func readTemplate(text []byte) (template, error) {
	t := template{found: true}
	var known struct {
		Patterns []string `json:"index_patterns"`
		Priority int      `json:"priority"`
		Template struct {
			Mappings struct {
				Meta json.RawMessage `json:"_meta"`
			} `json:"mappings"`
		} `json:"template"`
	}
	if err := json.Unmarshal(text, &known); err != nil {
		return t, err
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&t.whole); err != nil {
		return t, err
	}
	t.patterns, t.priority = known.Patterns, known.Priority
	t.mark, t.settings = readMark(known.Template.Mappings.Meta), object{}
	if all, ok := dig(t.whole, "template", "settings"); ok {
		return t, addFlat(t.settings, "", all)
	}
	return t, nil
}

// newIndexSettings returns the settings of an index that is made now.
func (s *Store) newIndexSettings(ctx context.Context) object {
	if s.cfg.NoTemplate || s.unseen.Load() {
		return s.indexSettings()
	}
	there, err := s.getTemplate(ctx)
	if err != nil {
		there = template{} // it isn't worth failing for
	}
	return s.settingsBy(there)
}

// settingsBy returns the settings of new indices beside a template. An operator's edits in
// it are among them. Settings that only the template has come from there by the engine.
func (s *Store) settingsBy(there template) object {
	ours := s.indexSettings()
	if s.cfg.NoTemplate || there.mark == nil {
		return ours
	}
	set := asEdited(ours, readSettings(there.mark.Settings), there.settings)
	if there.settings[keyReplication] != nil {
		set[keyReplication] = byDocument // another would break a promise
	}
	return set
}
