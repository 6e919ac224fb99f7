package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/cmd/cloakroom/internal/keyfile"
	"github.com/cloakroom-go/cloakroom/cmd/cloakroom/internal/ledgers"
	"github.com/cloakroom-go/cloakroom/cmd/cloakroom/internal/place"
	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/human"
)

// This file is the doctor's checks.

// area is a check that a report's problems belong to.
type area struct {
	name  string
	ok    string   // what is well if there is no problem
	codes []string // of its problems; one that ends with - is the beginning of several
	of    int      // the kind of store or the manager, see below
}

const (
	ofAll = iota
	ofEngine
	ofFile
	ofManager
)

// areas are the checks that a report makes, in the order in which they are told.
var areas = []area{
	{"login", "it has the rights that the store needs, and doesn't go in the clear.", []string{"rights-", "login-"}, ofEngine},
	{"template", "the index template is as it has to be.", []string{"template-"}, ofEngine},
	{"indices", "all are there, open and the store's own.", []string{"index-", "register-"}, ofEngine},
	{"settings", "the indices have those of the configuration.", []string{"settings-", "segment-"}, ofEngine},
	{"cluster", "it has all copies, and room.", []string{"health-", "cluster-", "disk-", "shards-", "count-", "report-"}, ofEngine},
	{"file", "it is the owner's alone, and in its place.", []string{"file-", "log-"}, ofFile},
	{"clock", "", []string{"clock-"}, ofAll},
	{"configuration", "it has no known danger.", []string{"cookie-", "idle-", "lifetime-", "anonymous-", "import-", "not-before-", "transport-", "sweep-"}, ofManager},
}

// areaOf returns the check that a problem belongs to. One that a later version of a store
// tells is the store's.
func areaOf(code string) string {
	for _, a := range areas {
		if slices.ContainsFunc(a.codes, func(c string) bool { return strings.HasPrefix(code, c) }) {
			return a.name
		}
	}
	return "store"
}

// doctorPatience bounds a check.
const doctorPatience = 30 * time.Second

// examine makes all checks.
func (x *examination) examine(flags *kong.Context) error {
	ok, err := x.openBoth(flags)
	if err != nil || !ok {
		return err
	}
	defer func() { x.look.close(); _ = x.judge.Close() }()
	stop, err := x.openManager()
	if err != nil {
		return err
	}
	defer stop()
	if err := x.report(); err != nil {
		return err
	}
	for _, check := range []func(context.Context){x.checkFuture, x.checkSweeps, x.checkLedgers, x.checkKeys} {
		ctx, cancel := context.WithTimeout(x.t.ctx, doctorPatience)
		check(ctx)
		cancel()
		if x.t.ctx.Err() != nil {
			return x.t.ctx.Err()
		}
	}
	x.tellFacts()
	return nil
}

// openBoth opens the store to look at it, and once more for its report. ok is false if it
// can't be opened, which is told.
func (x *examination) openBoth(flags *kong.Context) (ok bool, err error) {
	x.look, err = x.openWith(x.t, flags, place.Look, quietly)
	if err == nil {
		ctx, cancel := context.WithTimeout(x.t.ctx, openPatience)
		defer cancel()
		x.judge, err = x.look.where.Existing(ctx, place.Options{Access: x.access(), Why: place.Judge, Logger: quietly, Adjust: x.adjust})
		if err != nil {
			x.look.close()
		}
	}
	if err == nil {
		return true, nil
	}
	if _, isUsage := errors.AsType[usageError](err); isUsage || x.t.ctx.Err() != nil {
		return false, err
	}
	if errors.Is(err, place.ErrOutdated) {
		x.tell(checkLine{Status: isWarn, Check: "schema", Text: err.Error() + ".", Remedy: "The next program of this version that opens the file does that, too."})
		x.tell(checkLine{Status: isSkip, Check: "all else", Text: "it is looked at when the schema is up to date."})
		return false, nil
	}
	x.tell(checkLine{Status: isFail, Check: "store", Text: hide(x.t.args, err.Error()) + "."})
	x.tell(checkLine{Status: isSkip, Check: "all else", Text: "the store can't be asked."})
	return false, nil
}

// openManager makes the Manager that the flags tell of. stop ends it.
func (x *examination) openManager() (stop func(), err error) {
	config, given, err := x.managerConfig(x.look.config)
	if err != nil {
		return nil, err
	}
	x.admin = cloakroom.NewAdmin(x.judge, x.look.app)
	if !given {
		x.tellLater(isSkip, "configuration", "no flag tells of the manager's: --idle, --cookie-name and the like do, or --config.")
		return func() {}, nil
	}
	config.App = x.look.app
	m, err := newManager(x.judge, config)
	if err != nil {
		x.tellLater(isFail, "configuration", strings.TrimPrefix(strings.TrimSuffix(err.Error(), "."), "cloakroom: ")+".")
		return func() {}, nil
	}
	x.admin = m.Admin()
	return func() { _ = m.Close() }, nil
}

// tellLater keeps what is known of a check until its turn.
func (x *examination) tellLater(how status, check, why string) {
	x.told[check] = true
	x.later = append(x.later, checkLine{Status: how, Check: check, Text: why})
}

// report asks the store for its report, and tells its problems, check by check.
func (x *examination) report() error {
	ctx, cancel := context.WithTimeout(x.t.ctx, doctorPatience)
	defer cancel()
	var err error
	x.rep, err = x.admin.Report(ctx)
	if x.t.ctx.Err() != nil {
		return x.t.ctx.Err()
	}
	if err != nil {
		x.tell(checkLine{Status: isFail, Check: "store", Text: "its report can't be had: " + err.Error() + "."})
		return nil
	}
	x.tell(checkLine{Status: isOK, Check: "store", Text: fmt.Sprintf("%s, %v, app %q.", x.rep.Engine, x.where, x.look.app)})
	unseen := false
	found := map[string][]driver.Problem{}
	for _, p := range x.rep.Problems {
		if p.Code == "sweep-off" { // this process isn't the application
			continue
		}
		unseen = unseen || p.Code == "rights-to-see" || p.Code == "report-incomplete"
		found[areaOf(p.Code)] = append(found[areaOf(p.Code)], p)
	}
	for _, p := range found["store"] {
		x.problem("store", p)
	}
	for _, a := range areas {
		for _, p := range found[a.name] {
			x.problem(a.name, p)
		}
		if x.told[a.name] || a.of == ofEngine && !x.where.IsEngine() || a.of == ofFile && x.where.IsEngine() {
			continue
		}
		if unseen && a.of == ofEngine {
			x.tell(checkLine{Status: isSkip, Check: a.name, Text: "nothing was found, but not everything could be looked at."})
			continue
		}
		if a.name == "clock" {
			x.tell(x.clockLine())
			continue
		}
		x.tell(checkLine{Status: isOK, Check: a.name, Text: a.ok})
	}
	for _, l := range x.later {
		x.tell(l)
	}
	return nil
}

// clockLine tells what the report says of clocks, which isn't a problem.
func (x *examination) clockLine() checkLine {
	l := checkLine{Status: isSkip, Check: "clock", Text: "the store tells nothing of its engine's."}
	for _, f := range x.rep.Facts {
		if f.Name != "clock of the store's engine" {
			continue
		}
		l.Text = fmt.Sprintf("that of the store's engine: %s.", f.Value)
		if !strings.Contains(f.Value, "can't be learned now") {
			l.Status = isOK
		}
	}
	return l
}

// checkFuture looks for sessions that were made at a time to come.
func (x *examination) checkFuture(ctx context.Context) {
	for rec, err := range x.look.Search(ctx, driver.Query{App: x.look.app, Order: driver.OrderNewest, Limit: 1}) {
		if err != nil {
			x.tell(checkLine{Status: isFail, Check: "sessions", Text: "they can't be searched: " + err.Error() + "."})
			return
		}
		if ahead := time.Until(rec.Created); ahead > driver.ClockTolerance {
			x.tell(checkLine{Status: isWarn, Check: "sessions", Code: "clock-skew",
				Text:   fmt.Sprintf("The newest, %v, was made at a time that is still to come here, by %s.", rec.ID, human.Ago(ahead)),
				Remedy: "The clock of this machine, or of the one that made it, is wrong: set the clocks of all machines by one source (NTP)."})
			return
		}
		x.tell(checkLine{Status: isOK, Check: "sessions", Text: fmt.Sprintf("the newest was made %s ago.", human.Ago(time.Since(rec.Created)))})
		return
	}
	l := checkLine{Status: isInfo, Check: "sessions", Text: fmt.Sprintf("The app %q has none.", x.look.app)}
	if hint := x.look.otherApps(ctx); hint != "" {
		l.Text = hint
	}
	x.tell(l)
}

// overdue is the time after which a session that is over should have been ended. A sweep
// comes every 10 minutes by default.
const overdue = 2 * time.Hour

// sweepRemedy is what to do where nobody sweeps.
const sweepRemedy = "See to it that a manager sweeps (Config.SweepEvery), or run cloakroom sweep from time to time. " +
	"Its sweep-late, in the application's own report, tells why one doesn't."

// checkPeriods looks for periods that should have been dropped. Where a store drops periods
// whole, it ends no session in them before.
func (x *examination) checkPeriods() {
	var late []string
	for _, p := range x.rep.Periods {
		if !p.DropFrom.IsZero() && time.Since(p.DropFrom) > overdue {
			late = append(late, p.Name)
		}
	}
	if len(late) == 0 {
		x.tell(checkLine{Status: isOK, Check: "sweeps", Text: "no period should have been dropped."})
		return
	}
	x.tell(checkLine{Status: isWarn, Check: "sweeps", Text: fmt.Sprintf("Periods should have been dropped for %s and more: %s.", human.Ago(overdue), strings.Join(late, ", ")), Remedy: sweepRemedy})
}

// checkSweeps looks for sessions that are over and that nobody ends.
func (x *examination) checkSweeps(ctx context.Context) {
	if len(x.rep.Periods) > 0 {
		x.checkPeriods()
		return
	}
	in, ok := x.look.Store.(driver.Inspector)
	if !ok {
		x.tell(checkLine{Status: isSkip, Check: "sweeps", Text: "the store can't count."})
		return
	}
	const scan = 200_000 // of sessions that are not over
	sum, err := in.Summarize(ctx, driver.Query{ExpiresTo: time.Now().Add(-overdue), Scan: scan})
	_, cut := errors.AsType[*driver.TruncatedError](err)
	switch {
	case err != nil && !cut:
		x.tell(checkLine{Status: isSkip, Check: "sweeps", Text: "sessions that are over can't be counted: " + err.Error() + "."})
	case sum.Records > 0:
		atLeast := ""
		if cut {
			atLeast = "at least "
		}
		x.tell(checkLine{Status: isWarn, Check: "sweeps", Text: fmt.Sprintf("Sessions that are over for %s and more, and that nobody has ended: %s%s.", human.Ago(overdue), atLeast, human.Number(sum.Records)),
			Remedy: sweepRemedy})
	case cut:
		x.tell(checkLine{Status: isOK, Check: "sweeps", Text: fmt.Sprintf("among the first %s sessions none is over for %s and more.", human.Number(scan), human.Ago(overdue))})
	default:
		x.tell(checkLine{Status: isOK, Check: "sweeps", Text: fmt.Sprintf("no session is over for %s and more.", human.Ago(overdue))})
	}
}

// checkLedgers compares the newest sessions with the ledgers.
func (x *examination) checkLedgers(ctx context.Context) {
	if x.Ledgers <= 0 {
		x.tell(checkLine{Status: isSkip, Check: "ledgers", Text: "--ledgers says so. cloakroom ledger check compares all."})
		return
	}
	sessions, found, first := 0, 0, ""
	c := ledgers.Checker{
		Store: x.look.Store, App: x.look.app, Now: time.Now, Limit: x.Ledgers,
		Done: func(n int) { sessions += n },
		Found: func(_ context.Context, f ledgers.Finding) (bool, error) {
			if found++; found == 1 {
				first = f.Principal
			}
			return false, nil
		},
	}
	switch err := c.Check(ctx, ""); {
	case x.t.ctx.Err() != nil:
	case err != nil:
		x.tell(checkLine{Status: isWarn, Check: "ledgers", Text: "they can't be compared: " + err.Error() + ".", Remedy: "See to the store's health, and ask again."})
	case found > 0:
		x.tell(checkLine{Status: isWarn, Check: "ledgers", Text: fmt.Sprintf("Of the newest %s, some of %s are not in their ledgers, or are in those of others, such as of %q: lists of devices and limits don't count them.",
			human.Counted(int64(sessions), "session"), human.Counted(int64(found), "principal"), first),
			Remedy: "cloakroom ledger check lists them, cloakroom ledger rebuild or doctor --fix enters them. Find out what deletes, restores or edits records in the store."})
	case sessions == 0:
		x.tell(checkLine{Status: isOK, Check: "ledgers", Text: "there is nothing to compare."})
	default:
		x.tell(checkLine{Status: isOK, Check: "ledgers", Text: fmt.Sprintf("the newest %s are in them.", human.Counted(int64(sessions), "session"))})
	}
}

// checkKeys looks at the file of keys.
func (x *examination) checkKeys(context.Context) {
	if x.KeyFile == "" {
		x.tell(checkLine{Status: isSkip, Check: "keys", Text: "--key-file names no file."})
		return
	}
	f, err := keyfile.Read(x.KeyFile)
	if err != nil {
		x.tell(checkLine{Status: isFail, Check: "keys", Text: err.Error() + "."})
		return
	}
	text := human.Counted(int64(len(f.Keys)), "key") + fmt.Sprintf("; %s signs", f.Keys[0].Name())
	if since := f.Keys[0].SignsSince; !since.IsZero() {
		text += " since " + moment(since)
	}
	for _, k := range f.Keys[1:] {
		if k.Waits() {
			x.tell(checkLine{Status: isInfo, Check: "keys", Text: fmt.Sprintf("The key %s was added at %s, and doesn't sign yet.", k.Name(), moment(k.Made)),
				Remedy: "When all processes have the file: cloakroom key rotate --sign " + plain(x.KeyFile)})
			return
		}
	}
	x.tell(checkLine{Status: isOK, Check: "keys", Text: text + "."})
}
