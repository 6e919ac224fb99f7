package cloakroom

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
)

// This file is how what holds tokens, secrets and values is printed: without them. All
// of fmt's verbs say the same.

// Format implements fmt.Formatter: a manager is printed as the name of its app.
func (m *Manager) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "manager of app %q", m.config.App)
}

// Format implements fmt.Formatter: an Admin is printed as the name of its app.
func (a *Admin) Format(f fmt.State, _ rune) { _, _ = fmt.Fprintf(f, "admin of app %q", a.app) }

// Format implements fmt.Formatter: a ring is printed without its secrets.
func (k *Keyring) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "keyring") }

// String returns what may be printed of a session: its id.
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

// MarshalJSON encodes what the record's does, and whether it is ending.
func (s SessionOf) MarshalJSON() ([]byte, error) {
	b, err := json.Marshal(s.Record)
	if err != nil || s.Record == nil {
		return b, err
	}
	return fmt.Appendf(b[:len(b)-1], `,"Ending":%v}`, s.Ending), nil
}

// Format implements fmt.Formatter: of the values it tells the names.
func (t *Tx) Format(f fmt.State, _ rune) { _, _ = fmt.Fprint(f, t.v.list) }

// String is what contexts derived from a request's print of it.
func (c *requestContext) String() string { return "cloakroom.Manager.Handler" }

// Format implements fmt.Formatter, as String for all verbs.
func (c *requestContext) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, c.String()) }

// MarshalText is for encoding/json and log/slog.
func (c *requestContext) MarshalText() ([]byte, error) { return []byte(c.String()), nil }
