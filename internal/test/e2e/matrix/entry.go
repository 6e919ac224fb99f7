package main

import (
	"github.com/cloakroom-go/cloakroom/elasticstore"
	"github.com/cloakroom-go/cloakroom/internal/test/testengine"
)

// entry is a row of the matrix.
type entry struct {
	name string // of testengine.Names
	role *testengine.Role
}

// entries are all rows, by family and age.
func entries() []entry {
	open, elastic := openSearchRole(), elasticsearchRole()
	return []entry{
		{name: "opensearch1"},
		{name: "opensearch2"},
		{name: "opensearch2", role: &open},
		{name: "opensearch3"},
		{name: "es710"},
		{name: "es717"},
		{name: "es8"},
		{name: "es8", role: &elastic},
	}
}

func (e entry) label() string {
	if e.role != nil {
		return e.name + "+security"
	}
	return e.name
}

// Names of indices: those of stores on periods are prefix-something-more, which
// the pattern covers, and a store's one index is called onePrefix-something.
const (
	prefix    = "matrix"
	onePrefix = "matrixone"
)

func patterns() []string { return []string{prefix + "-*-*", onePrefix + "-*"} }

// elasticsearchRole has exactly the privileges that elasticstore's package
// documentation lists.
func elasticsearchRole() testengine.Role {
	return testengine.Role{
		Cluster:       []string{"monitor", "manage_index_templates"},
		Indices:       patterns(),
		IndicesRights: []string{"create_index", "view_index_metadata", "read", "write", "maintenance", "delete_index"},
	}
}

// openSearchRole is the same for OpenSearch.
func openSearchRole() testengine.Role {
	return testengine.Role{
		Cluster: []string{
			"cluster_composite_ops", "cluster:monitor/main", "indices:admin/index_template/get", "indices:admin/index_template/put",
		},
		Indices:       patterns(),
		IndicesRights: []string{"crud", "create_index", "indices:admin/get", "indices:admin/refresh*", "indices:admin/delete"},
	}
}

// target is an engine that runs, with what it takes to get in.
type target struct {
	URL         string
	CA          []byte
	User, Admin testengine.Login
}

// targetVariable holds a target in JSON, for the tests of this package.
const targetVariable = "CLOAKROOM_MATRIX_TARGET"

func targetOf(e *testengine.Engine) target {
	return target{URL: e.URL(), CA: e.CA(), User: e.User(), Admin: e.Admin()}
}

// client returns a client that is logged in.
func (t *target) client(l testengine.Login) (elasticstore.Client, error) {
	return elasticstore.NewClient(elasticstore.ClientConfig{URLs: []string{t.URL}, CA: t.CA, User: l.User, Password: l.Password})
}
