package dancer

import (
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// This file reads the settings of the old client, which name the engine's addresses.

func (r *settingsReader) connection(v *value, c *Config) {
	logins := map[string]*url.Userinfo{}
	c.login = func(server string) *url.Userinfo { return logins[server] }
	if v.is(scalar) && strings.HasPrefix(v.text, placeholder) {
		r.fail(v, connectionGroup, placeholderRemedy)
		return
	}
	if !r.groupOf(v, connectionGroup) {
		return
	}
	r.unknown(v, connectionGroup, func(name string) string {
		switch strings.ToLower(name) {
		case "node", "nodes", "server", "host", "hosts", "url", "urls":
			return "is no setting of the old client: its name is servers"
		case "user", "username", "password", "userinfo":
			return "is no setting of the old client: write the login into the address, as https://USER:PASSWORD@HOST:9200"
		case "https", "use_https", "ssl", "scheme":
			return "is no setting of the old client: write https:// in front of the address"
		case "port":
			return "is no setting of the old client: write the port behind the address, as HOST:9200"
		}
		return "is no setting of the old client, and is left alone"
	})
	for _, name := range clientSettings {
		setting := connectionGroup + "." + name
		switch at := v.get(name); {
		case name == "servers":
			r.servers(at, setting, logins, c)
		case at.is(undef):
		case !at.is(scalar):
			r.fail(at, setting, "must be text, and is %v", at.kind)
		default:
			r.clientSetting(at, name, setting, c)
		}
	}
}

func (r *settingsReader) clientSetting(v *value, name, setting string, c *Config) {
	switch name {
	case "transport":
		switch v.text {
		case "http", "httplite", "httptiny", "curl", "aehttp", "aecurl":
			r.warn(v, setting, "is not needed: cloakroom speaks HTTP by itself")
		case "thrift":
			r.warn(v, setting, "is thrift, which no engine speaks any more. Servers has to name ports of HTTP, such as 9200")
		default:
			r.fail(v, setting, "is %s: the old client has http, httplite, httptiny, curl, aehttp, aecurl and thrift, "+
				"and none is needed here", quoted(v.text))
		}
	case "timeout":
		seconds, err := strconv.ParseFloat(v.text, 64)
		const most = 3600
		if err != nil || !plainSeconds.MatchString(v.text) || !(seconds >= 0.001 && seconds <= most) {
			r.fail(v, setting, "is %s: it must be a number of seconds, at most %d", quoted(v.text), most)
			return
		}
		c.Timeout = time.Duration(math.Round(seconds*1000)) * time.Millisecond
	case "max_requests":
		r.warn(v, setting, "is not needed: the engine is never asked for its nodes. Servers has to name them")
	case "no_refresh":
		if perlTrue(v.text) {
			r.warn(v, setting, "is not needed: the engine is never asked for its nodes")
		} else {
			r.warn(v, setting, "is off, but the engine is never asked for its nodes. Servers has to name them")
		}
	case "deflate":
		r.warn(v, setting, "is not needed: answers are not compressed")
	case "trace_calls":
		r.warn(v, setting, "has no effect: requests are not written down")
	}
}

// servers reads the addresses: a text, or a list of them.
func (r *settingsReader) servers(v *value, setting string, logins map[string]*url.Userinfo, c *Config) {
	var texts []*value
	switch {
	case v.is(undef), v.is(scalar) && !perlTrue(v.text):
		c.Servers = []string{defaultServer}
		return
	case v.is(group):
		r.fail(v, setting, "must be an address such as \"127.0.0.1:9200\" or a list of them, and is %v", v.kind)
		return
	case v.is(scalar):
		texts = []*value{v}
	default:
		texts = v.items
	}
	if len(texts) == 0 {
		r.fail(v, setting, "is an empty list: name the address of a node at least, such as \"127.0.0.1:9200\"")
	}
	for _, t := range texts {
		if !t.is(scalar) {
			if t == nil {
				t = v
			}
			r.fail(t, setting, "must hold addresses such as \"127.0.0.1:9200\"")
			continue
		}
		parts := strings.Split(t.text, ",")
		if len(parts) > 1 {
			r.warn(t, setting, "has several addresses in one text. The old client took that for one, and reached none")
		}
		for _, part := range parts {
			server, user, problem := address(part)
			if problem != "" {
				r.fail(t, setting, "has an address that can't be used: %s", problem)
				continue
			}
			if !hasPort(server) {
				r.warn(t, setting, "has an address without a port. 9200 is taken here; the old client took 80")
				server = withPort(server)
			}
			if user != nil {
				logins[server] = user
			}
			if !slices.Contains(c.Servers, server) {
				c.Servers = append(c.Servers, server)
			}
		}
	}
}

// address takes a node's address apart. The problem doesn't repeat the address, which
// may hold a password.
func address(text string) (server string, user *url.Userinfo, problem string) {
	text = strings.TrimSpace(text)
	if text == "" {
		return "", nil, "it is empty"
	}
	if !strings.Contains(text, "://") {
		text = "http://" + text
	}
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return "", nil, "it must be HOST:PORT, with http:// or https:// in front of it or not. Percent-encode what is special in a password"
	case u.Scheme != "http" && u.Scheme != "https":
		return "", nil, "it begins with another scheme than http or https"
	case u.Hostname() == "":
		return "", nil, "it names no host"
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.ContainsAny(u.Path, "@#?"):
		return "", nil, "it has a ?, # or @ behind the host. Percent-encode what is special in a password"
	}
	if user = u.User; user != nil {
		if password, _ := user.Password(); user.Username() == "" || password == "" {
			return "", nil, "it has a user without a password, or the other way round"
		}
	}
	return u.Scheme + "://" + u.Host + strings.TrimRight(u.EscapedPath(), "/"), user, ""
}

func hasPort(server string) bool {
	u, err := url.Parse(server)
	return err == nil && u.Port() != ""
}

func withPort(server string) string {
	u, err := url.Parse(server)
	if err != nil {
		return server
	}
	u.Host = strings.TrimSuffix(u.Host, ":") + ":9200"
	return u.String()
}
