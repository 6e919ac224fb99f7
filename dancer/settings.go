package dancer

import (
	"slices"
	"strconv"
	"strings"
)

// This file gives each setting its meaning.

// The groups of settings.
const (
	optionsGroup    = "session_options"
	connectionGroup = "session_options.connection"
	signingGroup    = "session_options.signing"
)

// known are the settings that are read, or for which there is a special warning.
var known = func() map[string]bool {
	m := map[string]bool{}
	for group, names := range map[string][]string{
		"": {"environment", "envdir", "require_environment", "session", optionsGroup, "session_name", "session_expires",
			"session_secure", "session_is_http_only", "session_domain", "session_same_site", mergeKey},
		optionsGroup:    {"connection", "index", "type", "signing", "is_lazy"},
		connectionGroup: clientSettings,
		signingGroup:    {"secret", "length"},
	} {
		for _, name := range names {
			m[join(group, name)] = true
		}
	}
	return m
}()

// clientSettings are the arguments of the client, ElasticSearch 0.66, as documented.
var clientSettings = []string{"servers", "transport", "timeout", "max_requests", "no_refresh", "deflate", "trace_calls"}

// defaultServer is the old client's default.
const defaultServer = "http://127.0.0.1:9200"

// minimal is the required settings, for messages.
const minimal = `session: "ElasticSearch" and session_options with signing: and below it secret: "..."`

const mergeRemedy = "is a name like others to Perl's YAML modules, which merge nothing: write the settings out"

// settingsReader makes a Config from settings.
type settingsReader struct{ found *findings }

func (r *settingsReader) fail(v *value, setting, format string, args ...any) {
	r.found.fail(v.file, v.line, setting, format, args...)
}

func (r *settingsReader) warn(v *value, setting, format string, args ...any) {
	r.found.warn(v.file, v.line, setting, format, args...)
}

func (r *settingsReader) read(settings *value, c *Config) {
	if !r.engine(settings) {
		return
	}
	r.unknown(settings, "", func(name string) string {
		if name == mergeKey {
			return mergeRemedy
		}
		return "is no setting of this session engine, and is left alone"
	})
	r.cookie(settings, &c.Cookie)
	r.options(settings, c)
}

// engine reports whether the setting session names the engine of these settings.
func (r *settingsReader) engine(settings *value) bool {
	v := settings.get("session")
	text := r.text(v, "session")
	if v.is(list) || v.is(group) {
		return false
	}
	if !perlTrue(text) {
		place := v
		if v == nil {
			place = &value{file: settings.file}
		}
		r.fail(place, "session", "is not set: write session: \"ElasticSearch\", if that is the application's session engine")
		return false
	}
	words := strings.Split(text, "_")
	for i, word := range words {
		if word != "" {
			words[i] = strings.ToUpper(word[:1]) + word[1:]
		}
	}
	switch class := strings.Join(words, ""); { // in Dancer's form
	case class == "ElasticSearch":
		return true
	case strings.EqualFold(class, "ElasticSearch"):
		r.fail(v, "session", "is %s: write ElasticSearch, with a capital E and S", quoted(text))
	default:
		r.fail(v, "session", "is %s: this reads the settings of ElasticSearch", quoted(text))
	}
	return false
}

// options reads the module's options.
func (r *settingsReader) options(settings *value, c *Config) {
	v := settings.get(optionsGroup)
	c.Index, c.Type = "session", "session"
	place := v
	if v == nil {
		place = settings.get("session")
	}
	if !r.groupOf(v, optionsGroup) {
		return
	}
	signing := v.get("signing")
	connection := v.get("connection")
	beside := connection.is(undef) && v.get("servers") != nil
	if beside {
		connection = r.besideConnection(v)
	}
	r.unknown(v, optionsGroup, func(name string) string {
		switch {
		case slices.Contains(clientSettings, name) && beside:
			return "" // read as if below connection
		case slices.Contains(clientSettings, name):
			return "has no effect here: it belongs below connection"
		case name == "secret" || name == "length":
			return "has no effect here: it belongs below signing"
		}
		return "is no setting of the module, and is left alone"
	})
	if text := r.text(v.get("index"), optionsGroup+".index"); text != "" {
		c.Index = text
	} else if v.get("index").is(scalar) {
		r.fail(v.get("index"), optionsGroup+".index", "is empty: name the index, or leave the setting out for \"session\"")
	}
	if text := r.text(v.get("type"), optionsGroup+".type"); text != "" {
		c.Type = text
	} else if v.get("type").is(scalar) {
		r.fail(v.get("type"), optionsGroup+".type", "is empty: name the type, or leave the setting out for \"session\"")
	}
	c.Lazy = r.truth(v.get("is_lazy"), optionsGroup+".is_lazy")
	r.connection(connection, c)
	if beside && !slices.Equal(c.Servers, []string{defaultServer}) {
		r.warn(v.get("servers"), optionsGroup+".servers", "stands beside an empty connection, where Dancer read nothing and took 127.0.0.1:9200. Here it counts")
	}
	if signing != nil {
		place = signing
	}
	r.signing(signing, place, c)
}

// besideConnection returns the client's settings if they stand beside an empty
// connection, and not below it. The module's documentation shows them there.
func (r *settingsReader) besideConnection(options *value) *value {
	v := &value{file: options.file, line: options.line, kind: group}
	for _, e := range options.keys {
		if slices.Contains(clientSettings, e.name) {
			v.keys = append(v.keys, e)
		}
	}
	return v
}

func (r *settingsReader) signing(v, place *value, c *Config) {
	const secretSetting, lengthSetting = signingGroup + ".secret", signingGroup + ".length"
	if !r.groupOf(v, signingGroup) {
		return
	}
	r.unknown(v, signingGroup, func(string) string { return "is no setting of the module, and is left alone" })

	length, lengthOK := r.length(v.get("length"), lengthSetting)
	secret := v.get("secret")
	if secret.is(list) || secret.is(group) {
		r.fail(secret, secretSetting, "must be text, and is %v", secret.kind)
		return
	}
	if !secret.is(scalar) || secret.text == "" {
		if secret != nil {
			place = secret
		}
		format, args := "is missing", []any(nil)
		if v.is(group) {
			for _, e := range v.keys {
				if path := join(signingGroup, e.name); !known[path] && e.name != mergeKey {
					format, args = format+", and line %d has %s, which is no setting", append(args, e.line, named(path))
				}
			}
		}
		r.fail(place, secretSetting, format+": write the secret that signed the cookies, as signing: and below it secret: \"...\". "+
			"Dancer worked without, and then anybody can sign cookies: if there never was one, no old cookie deserves trust", args...)
		return
	}
	if secret.odd {
		r.fail(secret, secretSetting, "is in double quotes and has a \\ that YAML.pm leaves as it stands and YAML::XS doesn't: "+
			"write what the application read in single quotes")
		return
	}
	r.ambiguous(secret, secretSetting)
	if !lengthOK {
		return
	}
	if _, err := latin1(secret.text); err != nil {
		r.fail(secret, secretSetting, "%v", err)
		return
	}
	var err error
	if c.signer, err = NewSigner(secret.text, length); err != nil {
		r.fail(secret, secretSetting, "can't be used: %v", err)
	}
}

func (r *settingsReader) length(v *value, setting string) (int, bool) {
	text := r.text(v, setting)
	if v.is(list) || v.is(group) {
		return 0, false
	}
	if !perlTrue(text) {
		return DefaultLength, true
	}
	n, err := strconv.Atoi(text)
	switch {
	case err != nil || strings.ContainsAny(text, "+-") || n == 0:
		r.fail(v, setting, "must be a whole number, 1 to %d. What it is isn't shown, as it may be the secret", MaxLength)
	case n > MaxLength:
		r.fail(v, setting, "is too much, as a hash has %d characters: cookies of that length never verified in Dancer either. Use 1 to %d", MaxLength, MaxLength)
	default:
		return n, true
	}
	return 0, false
}

// text returns a value's text, "" for none. Another kind of value is an error.
func (r *settingsReader) text(v *value, setting string) string {
	switch {
	case v.is(undef):
		return ""
	case v.is(scalar):
		r.ambiguous(v, setting)
		return v.text
	}
	r.fail(v, setting, "must be text, and is %v", v.kind)
	return ""
}

// ambiguous warns of words that YAML::XS takes for other values.
func (r *settingsReader) ambiguous(v *value, setting string) {
	if v.plain && (v.text == "null" || v.text == "true" || v.text == "false") {
		r.warn(v, setting, "is text to YAML.pm, as here, and another value to YAML::XS. Put it in quotes if text is meant")
	}
}

// truth reports whether a value is true to Perl.
func (r *settingsReader) truth(v *value, setting string) bool {
	switch {
	case v.is(undef):
		return false
	case !v.is(scalar):
		r.fail(v, setting, "must be 0 or 1, and is %v", v.kind)
		return false
	}
	switch strings.ToLower(v.text) {
	case "false", "no", "off", "null", "n", "none", "never":
		r.warn(v, setting, "is text, so it is true in Perl and here. Write 0 for no")
	}
	return perlTrue(v.text)
}

// groupOf reports whether a value is a group of settings. If it is neither that nor
// undefined, that is an error.
func (r *settingsReader) groupOf(v *value, setting string) bool {
	if v.is(group) {
		if m := v.get(mergeKey); m != nil {
			r.fail(m, join(setting, mergeKey), mergeRemedy)
		}
		return true
	}
	if v.is(undef) {
		return true
	}
	r.fail(v, setting, "must be a group of settings, indented below it, and is %v", v.kind)
	return false
}

// unknown warns of the unknown settings of a group.
func (r *settingsReader) unknown(v *value, setting string, why func(name string) string) {
	if !v.is(group) {
		return
	}
	for _, e := range v.keys {
		path := join(setting, e.name)
		if known[path] && path != mergeKey || path != mergeKey && e.name == mergeKey {
			continue
		}
		if text := why(e.name); text != "" {
			file := v.file
			if e.value != nil {
				file = e.value.file
			}
			r.found.warn(file, e.line, path, "%s", text)
		}
	}
}

// perlTrue reports whether a text is true to Perl.
func perlTrue(text string) bool { return text != "" && text != "0" }

// perlOr returns a text if it is true to Perl, and otherwise "".
func perlOr(text string) string {
	if perlTrue(text) {
		return text
	}
	return ""
}
