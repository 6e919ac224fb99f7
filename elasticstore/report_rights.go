package elasticstore

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is what a Report tells of the login's rights, also of those that are only
// needed later: a sweep deletes the first index after a month.

// reportRights tells the rights that the login lacks.
func (x *examination) reportRights(ctx context.Context, f *findings) {
	if x.cfg.ReadOnly {
		return
	}
	var missing []string
	var err error
	if x.engine.openSearch() {
		missing, err = x.triedRights(ctx)
	} else {
		missing, err = x.toldRights(ctx)
	}
	if err != nil {
		f.learned("the login's rights", right{"a login of its own", "a login of its own"}, err)
		return
	}
	if len(missing) > 0 {
		f.problem("rights-missing", driver.SeverityFail, "Give the login these rights; the package documentation of elasticstore lists all.",
			"%s lacks rights on %s that the store needs: %s.", x.who(), x.names.pattern(), strings.Join(missing, "; "))
	}
}

// who returns the login, as a sentence begins with it.
func (x *examination) who() string {
	name := x.login()
	return strings.ToUpper(name[:1]) + name[1:]
}

// needed are the rights on the indices, in Elasticsearch's terms, and what each is for.
func (x *examination) needed() map[string]string {
	need := map[string]string{
		"read": "reading sessions", "write": "saving sessions", "create_index": "making each period's index",
		"view_index_metadata": "finding the indices", "maintenance": "refreshing them before searches",
	}
	if !x.names.one {
		need["delete_index"] = "dropping periods that are over, for the first time after a month or so"
	}
	return need
}

// toldRights asks Elasticsearch which rights the login lacks. An engine without security
// has no such question.
func (x *examination) toldRights(ctx context.Context) (missing []string, err error) {
	need := x.needed()
	var names []string
	for name := range need {
		names = append(names, name)
	}
	slices.Sort(names)
	pattern := x.names.pattern()
	ask, err := json.Marshal(object{"index": []any{object{"names": []string{pattern}, "privileges": names}}})
	if err != nil {
		return nil, err
	}
	r := request{method: http.MethodPost, path: "/_security/user/_has_privileges", body: ask}
	a, err := x.ask(ctx, r, http.StatusBadRequest, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusInternalServerError)
	if err != nil {
		return nil, err
	}
	defer a.release()
	var body struct {
		Index map[string]map[string]bool `json:"index"`
	}
	if a.status != http.StatusOK || json.Unmarshal(a.body, &body) != nil {
		return nil, nil // no security, or none that tells
	}
	has := body.Index[pattern]
	for _, name := range names {
		if given, told := has[name]; told && !given {
			missing = append(missing, name+" ("+need[name]+")")
		}
	}
	return missing, nil
}

// triedRights tries OpenSearch's rights, which tells nobody which it gives, by requests
// that change nothing. Their index is of a year in which there were no sessions, so that
// it isn't there, and the request for a new one is invalid. A document is deleted at a
// version that none has. A right that lacks is refused before the engine looks.
func (x *examination) triedRights(ctx context.Context) (missing []string, err error) {
	a, err := x.ask(ctx, request{method: http.MethodGet, path: "/_plugins/_security/authinfo"}, http.StatusBadRequest, http.StatusNotFound,
		http.StatusMethodNotAllowed, http.StatusForbidden)
	if err != nil {
		return nil, err
	}
	secured := a.status == http.StatusOK
	a.release()
	never := x.names.prefix + "-1970.01.01-00"
	if !secured || x.names.one || x.found[never] != nil { // with OneIndex, the only name is that of the index itself
		return nil, nil
	}
	type trial struct {
		name string
		r    request
	}
	tries := []trial{
		{"indices:admin/create (making each period's index)", request{
			method: http.MethodPut, path: "/" + never, body: []byte(`{"settings":{"index":{"number_of_shards":0}}}`),
		}},
		{"indices:admin/refresh* (before searches)", request{method: http.MethodPost, path: "/" + never + "/_refresh"}},
		{"indices:admin/delete (dropping periods that are over, for the first time after a month or so)", request{
			method: http.MethodDelete, path: "/" + never,
		}},
	}
	if i := slices.IndexFunc(x.ours, func(name string) bool { return !x.found[name].closed() }); i >= 0 {
		// No document is at a version of this term, so this deletes none.
		body := `{"delete":{"_index":"` + x.ours[i] + `","_id":"none","if_seq_no":0,"if_primary_term":1000000000}}` + "\n"
		tries = append(tries, trial{"indices:data/write/bulk (saving sessions)", request{method: http.MethodPost, path: "/_bulk", body: []byte(body), lines: true}})
	}
	for _, try := range tries {
		a, err := x.ask(ctx, try.r, http.StatusNotFound, http.StatusBadRequest, http.StatusForbidden)
		if err != nil {
			return nil, err
		}
		if strings.Contains(string(a.body), `"security_exception"`) { // a block is 403 as well
			missing = append(missing, try.name)
		}
		a.release()
	}
	return missing, nil
}
