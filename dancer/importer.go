package dancer

import (
	"bytes"
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/elasticstore"
)

// This file is the import of the old module's sessions: its options, and the Importer,
// which reads their cookies and the documents that these name.

// Importer is a cloakroom.Importer of the old module's sessions. Config.Import makes it.
//
// It is lazy: a session comes along when its visitor does. Documents of visitors who had
// left stay behind, and the old index is full of them, as the module never deleted any.
// "cloakroom dancer purge" deletes them with the index after the end of imports.
//
// A cookie is read and verified as Dancer and the module did it; see Signer. Beyond that
// its document has to name the same signed id, since a client can choose the salt, and a
// hash of 40 bits may be guessed. The session gets all of the document's values but id.
// Then the document is deleted at the state that was read, by its _id, and the response
// takes the old cookie away.
//
// A document doesn't tell when its session was made, so Config.NotBefore refuses all.
//
// Old processes may go on meanwhile, but a visitor whose session has come along is a
// stranger to them.
type Importer struct {
	index  *OldIndex
	cookie Cookie
	signer *Signer
}

// ImportOptions are options of Config.Import, and of OpenOptions.Import.
type ImportOptions struct {
	// Until is when imports end, as in cloakroom.Import: choose a time at which old
	// sessions are over anyway. At most cloakroom.MaxLifetime (400 days) ahead. It has to
	// be set.
	Until time.Time

	// Principal returns the principal that is signed in by an old session's values, as
	// in cloakroom.Import; "" for nobody. PrincipalIn makes one. Defaults to nobody: then
	// visitors keep their values, and have to sign in again.
	Principal func(ctx context.Context, values cloakroom.Reader) (string, error)

	// AllowShort imports cookies whose hash is shorter than 8 characters, which are 32
	// bits. Defaults to false: such a signing.length is an error.
	AllowShort bool
}

// minLength is the shortest signing.length that is imported unasked.
const minLength = 8

// Import returns the import of the old module's sessions, for cloakroom.Config. The
// client asks the engine for the old documents; Store.Client is one. Open does this by
// itself, for OpenOptions.Import.
//
// The client's login needs to read and delete documents of the old index: the privileges
// read and write on Elasticsearch, crud on OpenSearch.
func (c *Config) Import(client elasticstore.Client, o ImportOptions) (*cloakroom.Import, error) {
	switch {
	case !c.signer.usable():
		return nil, errors.New("dancer: this Config was not made by LoadConfig")
	case client == nil:
		return nil, errors.New("dancer: the client for the import is nil")
	case c.signer.length < minLength && !o.AllowShort:
		return nil, fmt.Errorf("dancer: signing.length is %d, so an old signature has %d bits, which can be guessed: "+
			"from a length of %d on old sessions are imported. ImportOptions.AllowShort imports these all the same", c.signer.length, 4*c.signer.length, minLength)
	}
	from := &Importer{index: c.OldIndex(client), cookie: c.Cookie, signer: c.signer}
	return &cloakroom.Import{From: from, Until: o.Until, Principal: o.Principal}, nil
}

// PrincipalIn returns a function for ImportOptions.Principal: the principal is what the
// old session has under a name, such as "user". A number and its text are the same, as in
// Perl. Nothing, null, "", 0 and "0" are nobody. Any other value is an error, which fails
// the visitor's request.
func PrincipalIn(name string) func(context.Context, cloakroom.Reader) (string, error) {
	return func(_ context.Context, values cloakroom.Reader) (string, error) {
		raw, _ := values.Raw(name)
		var text string
		switch raw = bytes.TrimSpace(raw); {
		case len(raw) == 0, string(raw) == "null":
			return "", nil
		case raw[0] == '"':
			if err := json.Unmarshal(raw, &text); err != nil {
				return "", fmt.Errorf("dancer: the value %q can't be read", name)
			}
		case raw[0] == '-', '0' <= raw[0] && raw[0] <= '9':
			text = string(raw)
		default:
			return "", fmt.Errorf("dancer: the value %q names no principal: it is neither text nor a number", name)
		}
		return perlOr(text), nil
	}
}

// importerName is the name of the Importer for an index. It never changes, since ids are
// derived from it.
func importerName(index string) string { return "dancer " + index }

// Name implements cloakroom.Importer: it is "dancer" and the setting index. So index, and
// type, have to stay as they are until imports end.
func (i *Importer) Name() string { return importerName(i.index.name) }

// Find implements cloakroom.Importer.
func (i *Importer) Find(r *http.Request) (t cloakroom.ForeignToken, err error) {
	value := cookieValue(r.Header["Cookie"], i.cookie.Name)
	if !perlTrue(value) { // Dancer began a session then
		return t, fmt.Errorf("dancer: no cookie of the old module: %w", cloakroom.ErrNotFound)
	}
	id, err := i.signer.Verify(value)
	if err != nil {
		return t, fmt.Errorf("%w: %w", cloakroom.ErrForged, err)
	}
	return cloakroom.ForeignToken{ID: id, Credential: canonical(value, i.signer.length)}, nil
}

// canonical returns a verified value without what Verify takes off its parts.
func canonical(value string, length int) string {
	var b strings.Builder
	for _, part := range []string{value[:length], value[length : 2*length], value[2*length:]} {
		b.WriteString(strings.TrimRight(part, stripped))
	}
	return b.String()
}

// Load implements cloakroom.Importer. A missing index is an outage, since its name may be
// wrong.
func (i *Importer) Load(ctx context.Context, t cloakroom.ForeignToken) (*cloakroom.ForeignSession, error) {
	d, err := i.index.get(ctx, t.ID)
	if err != nil {
		return nil, err
	}
	if len(d.values) == 0 {
		// The module made the document so, and never saved a value: it didn't with is_lazy: 0,
		// and failed to where another session's types had fixed the mapping.
		return nil, fmt.Errorf("dancer: a session's document is empty: %w", cloakroom.ErrNotFound)
	}
	var id string
	if json.Unmarshal(d.values["id"], &id) != nil || subtle.ConstantTimeCompare([]byte(id), []byte(t.Credential)) != 1 {
		return nil, fmt.Errorf("dancer: the document has another signed id than the cookie: %w", cloakroom.ErrForged)
	}
	delete(d.values, "id")
	f := &cloakroom.ForeignSession{Version: d.version, Values: d.values}
	if i.cookie.Expires > 0 { // the cookie outlived the browser
		f.Remember, f.IdleTimeout = true, i.cookie.Expires
	}
	return f, nil
}

// Retire implements cloakroom.Importer.
func (i *Importer) Retire(ctx context.Context, t cloakroom.ForeignToken, version string) error {
	return i.index.remove(ctx, t.ID, version)
}

// Forget implements cloakroom.Importer. The old cookie is known by its name, its domain
// and the path /, which Dancer always set.
func (i *Importer) Forget(h http.Header) {
	k := http.Cookie{
		Name: i.cookie.Name, Path: "/", Domain: i.cookie.Domain, MaxAge: -1, Expires: time.Unix(1, 0),
		Secure: i.cookie.Secure, HttpOnly: i.cookie.HTTPOnly, SameSite: i.cookie.SameSite,
	}
	if k.SameSite == http.SameSiteNoneMode && !k.Secure { // browsers ignore such a cookie, so nothing would be taken away
		k.SameSite = 0
	}
	h.Add("Set-Cookie", k.String())
}

// cookieValue returns the value that Dancer read from a request's cookies of a name: the
// last one, to the first &, percent-decoded. "" stands for none as well.
func cookieValue(lines []string, name string) (value string) {
	for _, line := range lines {
		for pair := range strings.SplitSeq(line, ";") {
			if n, v, _ := strings.Cut(pair, "="); strings.Trim(n, " \t") == name {
				value, _, _ = strings.Cut(strings.Trim(v, " \t"), "&")
			}
		}
	}
	return DecodeValue(value)
}
