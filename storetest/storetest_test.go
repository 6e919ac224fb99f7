package storetest_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/cloakroom-go/cloakroom/internal/test/leaktest"
	"github.com/cloakroom-go/cloakroom/storetest"
)

// This file is the test of the suite: it passes a sound store, and catches each fault.

func TestMain(m *testing.M) { leaktest.Main(m) }

// TestSuite runs the suite on a sound store for which the harness can do all.
// That of memstore is in its own package.
func TestSuite(t *testing.T) { storetest.Run(t, harness()) }

// fault names what is wrong with a store.
type fault string

const (
	updateCreates               fault = "update creates what is missing"
	leavesTheMissing            fault = "burying the missing leaves nothing"
	keepsFirstGrave             fault = "burying a grave changes nothing"
	gravesStay                  fault = "bury at a grave's version fails"
	gravesAreMissing            fault = "graves are not found"
	gravesConflict              fault = "graves answer conflict"
	createsOverGraves           fault = "create on a grave succeeds"
	createsOverRecords          fault = "create on a record succeeds"
	createHeedsVersions         fault = "create at a version is a conflict"
	updatesGravesAtTheirVersion fault = "update at a grave's version succeeds"
	ignoresVersions             fault = "update ignores the version"
	buriesAtAnyVersion          fault = "bury ignores the version"
	zeroVersionIsAny            fault = "update with the zero version is unconditional"
	versionsPerRecord           fault = "versions begin anew with each record"
	tombstonesMatter            fault = "versions begin anew when tombstones are forgotten"
	losesWrites                 fault = "some acknowledged writes are lost"
	readsStale                  fault = "some reads are stale"
	mutatesShared               fault = "records that were handed out change"
	mutatesGiven                fault = "records that were handed in change"
	keepsGiven                  fault = "records that were handed in are kept themselves"
	dropsMillis                 fault = "times are kept in seconds"
	epochIsNever                fault = "the epoch is taken for no time"
	foldsPrincipals             fault = "principals lose their case"
	dropsWriteIDs               fault = "graves lose their write ids"
	dropsExtra                  fault = "updates drop Extra"
	keepsExtraNames             fault = "Extra keeps names alone"
	gravesDropExtra             fault = "graves drop Extra"
	takesTooDeep                fault = "takes what is nested too deep"
	gravesTakeTooDeep           fault = "graves take what is nested too deep"
	takesTooLarge               fault = "takes what is too large"
	largeIsOverload             fault = "what is too large is told as overload"
	gravesForgetWhose           fault = "graves forget whose they are"
	newerIsMissing              fault = "newer records are not found"
	newerIsCurrent              fault = "newer records are handed out"
	searchYieldsNewer           fault = "search yields newer records"
	sweepBuriesNewer            fault = "sweep buries newer records"
	sweepForgetsWhose           fault = "sweep forgets whose a grave is"
	numbersAreFloats            fault = "numbers become floats"
	namesArePaths               fault = "names are cut at dots"
	dropsNulls                  fault = "null is taken for nothing"
	searchIgnoresApp            fault = "search finds other apps"
	searchMixesTies             fault = "search loses ties between pages"
	searchOrdersBytes           fault = "search orders ids by bytes"
	searchHasOnePage            fault = "search stops after a thousand"
	searchIgnoresLimit          fault = "search ignores the limit"
	searchYieldsGraves          fault = "search yields graves"
	searchFailsSilently         fault = "search hides its errors"
	searchStopsAtDamage         fault = "search fails for one damaged record"
	ignoresBreak                fault = "search goes on after a break"
	toIsInclusive               fault = "the end of a range is inclusive"
	searchTakesAny              fault = "search takes queries that mean nothing"
	searchHasOneOrder           fault = "search has one order"
	searchSparesClients         fault = "search ignores addresses and the case of agents"
	searchIgnoresSeen           fault = "search ignores the last activity"
	searchFindsAllEnds          fault = "search ignores reasons"
	scanIsSilent                fault = "search hides that it stopped"
	sweepsUnchecked             fault = "sweep doesn't check versions"
	sweepsTooEarly              fault = "sweep forgets the tolerance"
	sweepsIdleLedgers           fault = "sweep buries idle ledgers"
	sweepDeletes                fault = "sweep leaves no graves"
	sweepDigsShortGraves        fault = "sweep digs graves that end early"
	sweepDoesNotCount           fault = "sweep doesn't count its write"
	sweepForgetsGraves          fault = "sweep never removes graves"
	sweepMiscounts              fault = "sweep miscounts"
	ignoresContext              fault = "contexts are ignored"
	hidesContextError           fault = "the context's error is hidden"
	worksClosed                 fault = "a closed store goes on"
	closeOnce                   fault = "a second close fails"
	leavesGoroutine             fault = "close leaves a goroutine"
	forgetsAtClose              fault = "what is kept ends with the store"
	summaryHeedsAfter           fault = "summaries begin at After"
	listHidesGraves             fault = "list leaves graves out"
	listHidesUnreadable         fault = "list leaves out what can't be read"
	listSkips                   fault = "list skips between its parts"
	listForgets                 fault = "list skips what is written behind its end"
	listGoesByPosition          fault = "list goes by positions, which writes change"
	listTakesAnything           fault = "list goes on anywhere"
	fencePassesCreates          fault = "a fence lets creates through"
	fenceLeaks                  fault = "a fence lets some writes through"
	fenceConflicts              fault = "a fence answers conflict"
	fenceIsOneStores            fault = "a fence is one store's"
	fenceStays                  fault = "a fence can't be ended"
	problemWithoutSeverity      fault = "a problem has no severity"
	refusalsAreNotCounted       fault = "writes that are refused are in no figure"
	someAreNotCounted           fault = "of many writes at once some are in no figure"
)

// catches names a subtest that must fail for each fault.
var catches = map[fault]string{
	updateCreates:               "Write/I2_update_never_creates",
	leavesTheMissing:            "Write/I2_bury_the_missing",
	keepsFirstGrave:             "Write/bury_again_unconditionally",
	gravesStay:                  "Write/I2_bury_at_version_on_grave",
	gravesAreMissing:            "Write/bury_at_version",
	gravesConflict:              "Write/I2_update_on_grave",
	createsOverGraves:           "Write/I2_create_on_grave",
	createsOverRecords:          "Write/create_twice",
	createHeedsVersions:         "Record/given_records_are_left_alone",
	updatesGravesAtTheirVersion: "Write/I2_update_on_grave",
	ignoresVersions:             "Write/compare_and_set",
	buriesAtAnyVersion:          "Write/compare_and_set",
	zeroVersionIsAny:            "Write/update_without_version",
	versionsPerRecord:           "Version/I2_removed_record_made_again",
	tombstonesMatter:            "Version/I2_made_again_after_tombstone",
	losesWrites:                 "Stress/I13_each_gets_its_own",
	readsStale:                  "Race/I1_read_your_writes",
	mutatesShared:               "Record/results_stay_as_they_are",
	mutatesGiven:                "Record/given_records_are_left_alone",
	keepsGiven:                  "Record/given_records_are_the_callers_again",
	dropsMillis:                 "Record/round_trip/different_times",
	epochIsNever:                "Record/round_trip/the_epoch_is_a_time",
	foldsPrincipals:             "Search/principals",
	dropsWriteIDs:               "Record/I13_grave_round_trip",
	dropsExtra:                  "Extra/round_trip",
	keepsExtraNames:             "Extra/round_trip",
	gravesDropExtra:             "Extra/graves",
	takesTooDeep:                "Deep/is_refused",
	gravesTakeTooDeep:           "Deep/is_refused/grave",
	takesTooLarge:               "Write/too_large",
	largeIsOverload:             "Write/too_large",
	gravesForgetWhose:           "Record/I13_grave_round_trip",
	newerIsMissing:              "Newer/I8_is_an_outage",
	newerIsCurrent:              "Newer/I8_is_an_outage",
	searchYieldsNewer:           "Newer/is_passed_over",
	sweepBuriesNewer:            "Newer/I2_sweep",
	sweepForgetsWhose:           "Sweep/I2_the_idle_are_buried",
	numbersAreFloats:            "Values/numbers",
	namesArePaths:               "Values/names_of_one_object",
	dropsNulls:                  "Values/literals",
	searchIgnoresApp:            "Search/nothing",
	searchMixesTies:             "Search/paging",
	searchOrdersBytes:           "Search/paging",
	searchHasOnePage:            "Search/more_than_a_page",
	searchIgnoresLimit:          "Search/paging",
	searchYieldsGraves:          "Search/graves_are_left_out",
	searchFailsSilently:         "Context/cancelled/Search",
	searchStopsAtDamage:         "Corrupt/I12_fails_alone",
	ignoresBreak:                "Search/early_break",
	toIsInclusive:               "Search/filters",
	searchTakesAny:              "Search/invalid",
	searchHasOneOrder:           "Search/orders",
	searchSparesClients:         "Search/clients",
	searchIgnoresSeen:           "Search/seen",
	searchFindsAllEnds:          "Search/ended",
	scanIsSilent:                "Search/scan",
	sweepsUnchecked:             "SweepRace/I14_",
	sweepsTooEarly:              "Sweep/I2_not_removed_too_early",
	sweepsIdleLedgers:           "Sweep/ledgers",
	sweepDeletes:                "Sweep/I2_the_idle_are_buried",
	sweepDigsShortGraves:        "Sweep/I2_the_idle_are_buried",
	sweepDoesNotCount:           "Sweep/I2_the_idle_are_buried",
	sweepForgetsGraves:          "Sweep/removed_at_once",
	sweepMiscounts:              "Sweep/removed_at_once",
	ignoresContext:              "Context/cancelled/Get",
	hidesContextError:           "Context/deadline_passed/Update",
	worksClosed:                 "Close/closed/Get",
	closeOnce:                   "Close/closed",
	leavesGoroutine:             "Record",
	forgetsAtClose:              "Second/I1_acknowledged_survives_close",
	summaryHeedsAfter:           "Inspector/summary",
	listHidesGraves:             "List/everything",
	listHidesUnreadable:         "List/unreadable",
	listSkips:                   "List/goes_on_at_each_part",
	listForgets:                 "List/what_was_written_since",
	listGoesByPosition:          "List/beside_writers",
	listTakesAnything:           "List/no_next",
	fencePassesCreates:          "Fence/refuses_all_writes",
	fenceLeaks:                  "Fence/nothing_changes_behind_it",
	fenceConflicts:              "Fence/refuses_all_writes",
	fenceIsOneStores:            "Fence/holds_for_others",
	fenceStays:                  "Fence/can_be_ended",
	problemWithoutSeverity:      "Inspector/report",
	refusalsAreNotCounted:       "Figures/counts",
	someAreNotCounted:           "Figures/many_at_once",
}

// faultVariable tells a run of TestFaulty which fault to have.
const faultVariable = "STORETEST_FAULT"

// TestFaulty fails, being the suite on a store with a fault. Only
// TestSuiteCatches asks for it, in a process of its own.
func TestFaulty(t *testing.T) {
	f := os.Getenv(faultVariable)
	if f == "" {
		t.Skip(faultVariable + " names no fault")
	}
	storetest.Run(t, harness(fault(f)))
}

// TestSuiteCatches checks that the suite can fail: that it does for each of the
// faults, in the very subtest that is there for it.
func TestSuiteCatches(t *testing.T) {
	if testing.Short() {
		t.Skip("runs the suite some dozens of times")
	}
	for f, subtest := range catches {
		t.Run(strings.ReplaceAll(string(f), " ", "_"), func(t *testing.T) {
			t.Parallel()
			family, _, _ := strings.Cut(subtest, "/")
			cmd := exec.CommandContext(t.Context(), os.Args[0],
				"-test.run=^TestFaulty$/^"+family+"$", "-test.timeout=2m", "-test.v")
			cmd.Env = append(os.Environ(), faultVariable+"="+string(f))
			out, err := cmd.CombinedOutput()
			if err == nil {
				t.Fatalf("the suite passes a store of which this is true: %s\n%s", f, out)
			}
			if !strings.Contains(string(out), "--- FAIL: TestFaulty/"+subtest) {
				t.Errorf("the suite fails, but not in %s:\n%s", subtest, out)
			}
		})
	}
}
