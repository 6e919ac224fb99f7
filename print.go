package cloakroom

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
)

// This file is printing without tokens, secrets and values: types that hold some say the
// same for all of fmt's verbs.

// Format implements fmt.Formatter: a manager is printed as the name of its app.
func (m *Manager) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "manager of app %q", m.config.App)
}

// Format implements fmt.Formatter: an Admin is printed as the name of its app.
func (a *Admin) Format(f fmt.State, _ rune) { _, _ = fmt.Fprintf(f, "admin of app %q", a.app) }

// Format implements fmt.Formatter: a ring is printed without its secrets.
func (k *Keyring) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "keyring") }

// String returns the session's id, and no secret.
func (s *Session) String() string { return "session " + s.ID().String() }

// Format implements fmt.Formatter, as String for all verbs.
func (s *Session) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// LogValue returns the id, for package log/slog.
func (s *Session) LogValue() slog.Value { return slog.StringValue(s.ID().String()) }

// Format implements fmt.Formatter, as that of the record, and says if it is ending.
func (s SessionOf) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprint(f, s.Record)
	if s.Ending {
		_, _ = io.WriteString(f, ", ending")
	}
}

// MarshalJSON encodes the record's JSON with a further member, Ending.
func (s SessionOf) MarshalJSON() ([]byte, error) {
	b, err := json.Marshal(s.Record)
	if err != nil || s.Record == nil {
		return b, err
	}
	return fmt.Appendf(b[:len(b)-1], `,"Ending":%v}`, s.Ending), nil
}

// Format implements fmt.Formatter: it prints the names of the values alone.
func (t *Tx) Format(f fmt.State, _ rune) { _, _ = fmt.Fprint(f, t.v.list) }

// String returns a text for contexts that are derived from a request's and print it.
func (c *requestContext) String() string { return "cloakroom.Manager.Handler" }

// Format implements fmt.Formatter, as String for all verbs.
func (c *requestContext) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, c.String()) }

// MarshalText returns the same text to encoding/json and log/slog.
func (c *requestContext) MarshalText() ([]byte, error) { return []byte(c.String()), nil }
