package history

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// line is one line of a file: a family, or one of its operations, which follow.
type line struct {
	Family *Family `json:"head,omitempty"`
	Op     *Op     `json:"op,omitempty"`
}

// Write appends a family to a file of JSON lines.
func Write(w io.Writer, f *Family) error {
	b := bufio.NewWriter(w)
	enc := json.NewEncoder(b)
	if err := enc.Encode(line{Family: f}); err != nil {
		return err
	}
	for i := range f.Ops {
		if err := enc.Encode(line{Op: &f.Ops[i]}); err != nil {
			return err
		}
	}
	return b.Flush()
}

// Read returns the families of a file that Write wrote.
func Read(r io.Reader) ([]Family, error) {
	var all []Family
	dec := json.NewDecoder(r)
	for {
		var l line
		err := dec.Decode(&l)
		switch {
		case errors.Is(err, io.EOF):
			return all, nil
		case err != nil:
			return nil, fmt.Errorf("history: reading line by line: %w", err)
		case l.Family != nil:
			all = append(all, *l.Family)
		case l.Op == nil || len(all) == 0:
			return nil, errors.New("history: a line that is neither a family nor an operation of one")
		default:
			f := &all[len(all)-1]
			f.Ops = append(f.Ops, *l.Op)
		}
	}
}
