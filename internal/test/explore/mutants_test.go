package explore

import (
	"context"
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var mutating = flag.Bool("explore.mutants", false, "explore the code with one rule taken out at a time, for some minutes")

// edit replaces text in a file of the module, whose path is relative to its root.
type edit struct{ file, old, with string }

// codeMutant is the code with something changed. It has to fail, unless fails
// is "".
type codeMutant struct {
	name     string
	edits    []edit
	scenario string
	fails    string
}

func codeMutants() []codeMutant {
	fewIDs := edit{"driver/writeid.go", "const MaxWriteIDs = 8", "const MaxWriteIDs = 2"}
	doubts := edit{"internal/protocol/records.go", "return refused(err) || r.vouch.Answers && answered(err)", "return refused(err)"}
	return []codeMutant{
		{"two write ids are enough for two writes in between", []edit{fewIDs}, "saves-many", ""},
		{"one more write in between than write ids is tolerated", []edit{fewIDs, {"internal/protocol/resolve.go", "> driver.MaxWriteIDs:", "> driver.MaxWriteIDs+1:"}}, "saves-many", "a"},
		{"only the last attempt's write id is looked for", []edit{{"internal/protocol/flush.go", "w.open = append(w.open, attempt{id: writeID, base: w.cur.Writes, answered: answered(err)})", "w.open = []attempt{{id: writeID, base: w.cur.Writes, answered: answered(err)}}"}}, "saves-2", "a"},
		{"no answer means not applied", []edit{{"internal/protocol/resolve.go", "return verdictApplied, nil", "continue"}}, "saves-2", "a"},
		{"a grave that kept no count means not applied", []edit{{"internal/protocol/resolve.go", "case seen.writes < a.base:", "case seen.state == stateGrave && seen.writes < a.base: continue\n\t\tcase seen.writes < a.base:"}}, "end-login", "e"},
		{"that a write is read means that it happened", []edit{{"internal/protocol/outcome.go", "case v == verdictApplied, seen.state == stateGrave:", "case seen.state == stateGrave:"}}, "saves-phantom", "a"},
		{"that a burial is read means that it happened", []edit{{"internal/protocol/outcome.go", "case v == verdictApplied, seen.state == stateGrave:", "case v == verdictApplied && seen.state == stateLive:"}}, "login-phantom", "d"},
		{"that an end is read means that a save didn't happen", []edit{{"internal/protocol/outcome.go", "case v == verdictApplied, seen.state == stateGrave:", "case v == verdictApplied:"}}, "create-phantom", "e"},
		{"that a write isn't read means that it didn't happen", []edit{{"internal/protocol/resolve.go", "\t\t\ta.ruledOut = true\n\t\t\tpending = append(pending, a)", ""}}, "saves-phantom", "a"},
		{"a refusal isn't confirmed", []edit{{"internal/protocol/flush.go", "case len(w.open) > 0:\n\t\t\tw.batch", "case false:\n\t\t\tw.batch"}}, "refusal-phantom", "e"},
		{"expired is said without burying", []edit{{"internal/protocol/read.go", "case !at.Before(rec.Deadline):\n\t\treturn true, e, nil", "case true:\n\t\treturn true, e, nil"}}, "expiry", "x"},
		{"a session ends by this machine's clock alone", []edit{{"internal/protocol/witness.go", "if err == nil && there.Before(now) {", "if false && there.Before(now) {"}}, "visits-ahead", "i"},
		{"a sweep goes by this machine's clock alone", []edit{{"sweep.go", "case w.Apart() && w.Ahead > 0:", "case false:"}}, "visits-ahead", "i"},
		{"graves are over at once", []edit{{"driver/record.go", "Until: r.Deadline,", "Until: at,"}}, "create-end", "b"},
		{"a sign-in compares no generations", []edit{{"internal/protocol/ledgers.go", "if l.Generation != e.generation {\n\t\treturn now", "if false {\n\t\treturn now"}, {"internal/protocol/ledgers.go", "if l.Generation != generation { // moved", "if false { // moved"}}, "login-revoke", "c"},
		{"a sign-in retires whatever version there is", []edit{{"internal/protocol/signin.go", "t.r.store.Bury(ctx, t.old.ID, g, t.old.Version)", "t.r.store.Bury(ctx, t.old.ID, g, driver.Version{})"}}, "login-saves", "a"},
		{"a sign-in succeeds though somebody else ended the old session", []edit{{"internal/protocol/signin.go", "return fmt.Errorf(\"cloakroom: %v was ended during sign-in: %w\", t.old.ID, driver.ErrGone)", "return nil"}}, "login-destroy", "d"},
		{"the new session is taken back though the old one may be retired", []edit{{"internal/protocol/signin.go", "if !errors.Is(err, errRetire) {", "if err != nil {"}}, "login-save", "a"},
		{"a sign-in retires the old session before the ledger is written", []edit{{"internal/protocol/signin.go",
			"ending, err := r.enterLedger(ctx, rec, in.Generation, in.Limit, in.replaces())\n\tif err == nil && in.Old != nil {\n\t\terr = r.retire(ctx, in)\n\t}\n",
			"if in.Old != nil {\n\t\terr = r.retire(ctx, in)\n\t}\n\tvar ending []ledgerEntry\n\tif err == nil {\n\t\tending, err = r.enterLedger(ctx, rec, in.Generation, in.Limit, in.replaces())\n\t}\n"}}, "login", "a"},
		{"a sign-out takes the id out of the ledger before it buries", []edit{{"internal/protocol/end.go", "if err := r.bury(ctx, rec.ID,", "r.leaveLedger(ctx, rec)\n\tif err := r.bury(ctx, rec.ID,"}}, "logout", "c"},
		{"a sign-out is content with a burial at the version that it knows", []edit{{"internal/protocol/end.go", "known.Version) != nil {", "known.Version) == context.Canceled {"}}, "destroy-saves", "b"},
		{"RevokeAll ends only what it found live", []edit{{"internal/protocol/revoke.go", "l.Generation = generation\n", "l.Generation, l.Ending = generation, nil\n"}}, "revoke-revoke", "c"},
		{"the old id leaves the ledger before its record is retired", []edit{{"internal/protocol/ledgers.go", "if excess <= 0 || e.isReplaced(there) {\n\t\t\treturn false", "if e.isReplaced(there) {\n\t\t\treturn true\n\t\t}\n\t\tif excess <= 0 {\n\t\t\treturn false"}}, "relogin", "c"},
		{"the limit counts the session that is replaced", []edit{{"internal/protocol/ledgers.go", "if e.isReplaced(there) || e.unread[there.ID] {", "if e.unread[there.ID] {"}}, "relogin-limit", "k"},
		{"the limit drops the oldest without ending it", []edit{{"internal/protocol/ledgers.go", "\t\tl.Ending = append(l.Ending, there)\n", ""}}, "limit", "c"},
		{"the ledger does not outlive attempts to sign in", []edit{{"internal/protocol/revoke.go", "return now.Add(AttemptLife + r.o.MaxLifetime + driver.ClockTolerance)", "return now"}}, "attempts", "c"},
		{"the limit counts what is over", []edit{{"internal/protocol/ledgers.go", "e.over, e.unread = r.overAmong(ctx, e.rivals)\n", ""}}, "limit-ended", "k"},
		{"RevokeAll doesn't search", []edit{{"internal/protocol/revoke.go", "found, err := r.find(ctx, principal)\n\tfound = slices", "var found []*driver.Record\n\tvar err error\n\tfound = slices"}}, "lost-ledger", "c"},
		{"RevokeAll ends what it finds, later sign-ins too", []edit{{"internal/protocol/revoke.go", "|| GenerationOf(rec) == generation", ""}, {"internal/protocol/revoke.go", "return g == l.Generation &&", "return g == l.Generation && false &&"}}, "lost-ledger", "k"},
		{"a console takes a read's word for it that a session has ended", []edit{{"internal/protocol/end.go", "if err := r.confirmGrave(ctx, rec); err != nil { // the", "if err := r.confirmGrave(ctx, rec); false { // the"}}, "end-phantom", "b"},
		{"RevokeAll and the limit don't tell what they ended", []edit{{"internal/protocol/ending.go", "\t\tr.left.Store(true)\n\t}\n\tr.tell(ctx, list...)\n", "\t\tr.left.Store(true)\n\t}\n\t_ = list\n"}}, "ends-limit", "o"},
		{"RevokeAll doesn't tell what it found", []edit{{"internal/protocol/revoke.go", "\tr.tell(ctx, list...)\n", "\t_ = list\n"}}, "ends-lost", "o"},
		{"who ends what another of the process has ended tells of it", []edit{{"internal/protocol/told.go", "if t.told[id] {", "if false {"}}, "ends-one", "o"},
		{"an end is told of which it isn't known whether it happened", []edit{{"internal/protocol/ending.go", "if err := r.tryToBury(ctx, e.ID, g, rec, end); err != nil {\n\t\treturn metNoAnswer, ended{}, err\n\t}\n", "_ = r.tryToBury(ctx, e.ID, g, rec, end)\n"}}, "ends-doubt", "o"},
		{"an Unset of what the request didn't read is no change", []edit{{"session.go", "\ts.ops = append(s.ops, op{kind: opUnset, name: name})\n", "\tif s.rec.Values.Get(name) != nil {\n\t\ts.ops = append(s.ops, op{kind: opUnset, name: name})\n\t}\n"}}, "unset", "u"},
		{"a write is left out that changes nothing of what was known", []edit{{"internal/protocol/flush.go", "if w.justRead || allFresh(w.batch) {", "if w.justRead || true {"}}, "unset-vouched", "u"},
		{"a Take tells what the request had read", []edit{{"save.go", "\tt := &taking{check: check}\n", "\tif raw := s.rec.Values.Get(name); raw != nil {\n\t\treturn raw, s.save(ctx, &op{kind: opUnset, name: name})\n\t}\n\tt := &taking{check: check}\n"}}, "take", "t"},
		{"a Take tells what an earlier try would have taken", []edit{{"changes.go", "\t\tif !ok {\n\t\t\treturn errNothing\n", "\t\tif !ok && o.take.raw != nil {\n\t\t\treturn nil\n\t\t}\n\t\tif !ok {\n\t\t\treturn errNothing\n"}}, "take", "t"},
		{"a Take tells what the last try would have taken", []edit{{"internal/protocol/flush.go", "settleOutcomes(w.batch, l.attempts[0].id)", "_ = l"}}, "take-phantom", "t"},
		{"two write ids are enough for any number of writes in between if answers are certain", []edit{fewIDs}, "saves-certain", ""},
		{"two write ids are kept, and answers that are certain are doubted", []edit{fewIDs, doubts}, "saves-certain", "n"},
		{"two write ids are kept, and answers that are certain are doubted, in a sign-in", []edit{fewIDs, doubts}, "login-certain", "n"},
		{"a certain answer rules out earlier attempts of a save", []edit{{"internal/protocol/flush.go", "if !w.r.certain(err) {\n", "if w.r.certain(err) {\n\t\t\tw.open = nil\n\t\t} else {\n"}}, "saves-certain", "a"},
		{"a certain answer rules out earlier attempts of a retirement", []edit{{"internal/protocol/signin.go", "if err != nil && !t.r.certain(err) {\n", "if t.open = nil; err != nil && !t.r.certain(err) {\n"}}, "login-certain", "a"},
		{"a touch yields to whatever was written meanwhile", []edit{{"touch.go", "\tvisit := s.keptVisit()\n", "\tvisit, tries := s.visit, 0\n"}, {"touch.go", "\t\tmoves := visit.active", "\t\tif tries++; tries > 1 {\n\t\t\treturn protocol.ErrNeedless\n\t\t}\n\t\tmoves := visit.active"}}, "visits", "i"},
		{"the time of last activity is that of the write", []edit{{"touch.go", "if at := v.at.Time(); at.After(next.Seen)", "if at := now; at.After(next.Seen)"}}, "visits-slow", "i"},
		{"a request doesn't record that it presents a sign-in's token", []edit{{"touch.go", "due := s.stored && !s.gone && visit.used &&", "due := false &&"}, {"touch.go", "if v.used && protocol.IsUnused(next) {", "if false {"}}, "login-unheard", "k"},
		{"a sign-in that is repeated retires the lost one though it is in use", []edit{{"internal/protocol/signin.go", "case in.Repeats && !IsUnused(old):", "case false:"}}, "login-unheard", "k"},
		{"a sign-in that is repeated carries what was set after the lost one", []edit{{"internal/protocol/unused.go", "if string(raw) == unusedAsCarried {", "if true {"}}, "login-unheard", "v"},
		{"a sign-in can't be repeated", []edit{{"login.go", "l.lost = l.old != nil\n", "l.old = nil\n"}}, "login-unheard", "a"},
		{"a sign-in that is overtaken begins with nothing", []edit{{"login.go", "from.replaced = l.base.ID // just now", "_ = 0 // just now"}}, "login-clicks", "a"},
		{"a device that reads as ended isn't confirmed", []edit{{"internal/protocol/end.go", "if err := r.confirmGrave(ctx, rec); err != nil {\n\t\t\t\treturn nil, overtaken", "if err := error(nil); err != nil {\n\t\t\t\treturn nil, overtaken"}}, "end-device-phantom", "x"},
		{"a page of devices ends whoever's session", []edit{{"internal/protocol/end.go", "rec.Kind != driver.KindSession || rec.App != r.app || rec.Principal != principal:", "rec.Kind != driver.KindSession || rec.App != r.app:"}}, "end-device-foreign", "k"},
		{"a device is ended at the version that was read", []edit{{"internal/protocol/end.go", "\t\t\te, err := r.end(ctx, rec, why)\n\t\t\tr.tell(ctx, e)\n\t\t\treturn err\n", "\t\t\t_ = r.store.Bury(ctx, id, rec.GraveFor(why, now, driver.NewWriteID()), rec.Version)\n\t\t\treturn nil\n"}}, "end-device", "b"},
		{"a renewal is repeated as a save is", []edit{{"renew.go", "\t\t\treturn errNotCurrent\n", "\t\t\t_ = 0\n"}}, "renew", "r"},
		{"the old token ends with the renewal", []edit{{"previous.go", "at, at+maxRenewGrace.Milliseconds())", "at, at-driver.ClockTolerance.Milliseconds())"}}, "renew-crash", "h"},
		{"a renewal drops the secrets of earlier ones", []edit{{"previous.go", "if inGrace(&earlier[i], now) {", "if inGrace(&earlier[i], now) && strict {"}}, "renew-twice", "l"},
		{"a strict renewal ends the last secret alone", []edit{{"previous.go", "if strict && !e.Ended() {", "if strict && i == 0 {"}}, "renew-strict", "s"},
		{"a save that is under way isn't asked for its secret", []edit{{"save.go", "if err := m.stillGood(next, b.visit.secret, b.visit.strict); err != nil {\n", "if err := m.stillGood(next, b.visit.secret, b.visit.strict); false {\n"}}, "renew-strict", "s"},
		{"a strict renewal of what isn't current is done", []edit{{"renew.go", "\tcase strict && old:\n", "\tcase strict && old && rec == nil:\n"}, {"renew.go", "\t\t\treturn errNotCurrent\n", "\t\t\t_ = 0\n"}}, "renew-strict-two", "r"},
		{"a foreign session that is gone isn't looked for once more", []edit{{"import.go", "if !v.missing {", "if false {"}}, "import", "m"},
		{"an import enters no ledger", []edit{{"internal/protocol/imports.go", "if next.Principal != \"\" {", "if false {"}}, "import-revoke", "c"},
		{"an import enters the ledger whatever the generation", []edit{{"internal/protocol/imports.go", "r.enterLedger(ctx, next, driver.WriteID{}, in.Limit, nil)", "r.enterAny(ctx, next, in.Limit)"}, {"internal/protocol/imports.go", "// Imported is what", "func (r *Records) enterAny(ctx context.Context, next *driver.Record, limit int) ([]ledgerEntry, error) {\n\tg, err := r.Generation(ctx, next.Principal)\n\tif err != nil {\n\t\treturn nil, err\n\t}\n\treturn r.enterLedger(ctx, next, g, limit, nil)\n}\n\n// Imported is what"}}, "import-revoke", "c"},
		{"what the old library wrote meanwhile isn't taken over", []edit{{"internal/protocol/importretire.go", "next.Values = digests.follow(next.Values, values)", "_ = digests.follow(next.Values, values)"}}, "import-saves", "m"},
		{"an import goes on though its session was ended at the old library", []edit{{"internal/protocol/imports.go", "return r.takeBackImport(ctx, rec)", "return rec, nil"}}, "import-old-end", "b"},
		{"nothing holds the place of a foreign session once its own is swept", []edit{{"internal/protocol/imports.go", "(im.Grave != nil || entered && entry.holds(now))", "(im.Grave != nil || entered && entry.holds(time.Time{}))"}, {"internal/protocol/imports.go", "case e.holds(r.clock.Now()):", "case e.holds(time.Time{}):"}, {"internal/protocol/imports.go", "case e.Deadline != next.Deadline.UnixMilli():", "case false:"}}, "import-sweep", "x"},
		{"the first use of an import's token isn't recorded before the answer", []edit{{"touch.go", "due := s.stored && !s.gone && visit.used &&", "due := false &&"}, {"touch.go", "if v.used && protocol.IsUnused(next) {", "if false {"}}, "import-late", "w"},
		{"a foreign session opens its session for ever", []edit{{"import.go", "case !o.fits, late:", "case !o.fits, late && s == nil:"}}, "import-late", "w"},
	}
}

// TestMutants proves that exploring finds errors in the code, by making some. It
// runs itself on the changed code.
func TestMutants(t *testing.T) {
	if !*mutating {
		t.Skip("asked for by -explore.mutants")
	}
	root, err := filepath.Abs(filepath.Join("..", "..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range codeMutants() {
		t.Run(strings.ReplaceAll(m.name, " ", "_"), func(t *testing.T) {
			changed := map[string]string{}
			for _, e := range m.edits {
				text := read(t, filepath.Join(root, e.file), changed)
				if strings.Count(text, e.old) != 1 {
					t.Fatalf("%s doesn't hold the text to be changed once: %q", e.file, e.old)
				}
				path := filepath.Join(t.TempDir(), filepath.Base(e.file))
				if err := os.WriteFile(path, []byte(strings.Replace(text, e.old, e.with, 1)), 0o600); err != nil {
					t.Fatal(err)
				}
				changed[filepath.Join(root, e.file)] = path
			}
			overlay, err := json.Marshal(map[string]any{"Replace": changed})
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(t.TempDir(), "overlay.json")
			if err := os.WriteFile(file, overlay, 0o600); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
			defer cancel()
			out, err := exec.CommandContext(ctx, "go", "test", "-overlay", file, "-v", "-run", "^TestScenarios$/^"+m.scenario+"$", ".").CombinedOutput()
			text := string(out)
			switch {
			case !strings.Contains(text, "--- PASS: TestScenarios/"+m.scenario) && !strings.Contains(text, "--- FAIL: TestScenarios/"+m.scenario):
				t.Fatalf("the scenario was not explored: %v\n%s", err, text)
			case m.fails == "" && err != nil:
				t.Errorf("it does not hold:\n%s", text)
			case m.fails != "" && !strings.Contains(text, "breach of "+m.fails+":"):
				t.Errorf("no breach of %s was found:\n%s", m.fails, text)
			default:
				t.Log(text)
			}
		})
	}
}

// read returns a file, as it was changed last.
func read(t *testing.T, path string, changed map[string]string) string {
	if p, ok := changed[path]; ok {
		path = p
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
