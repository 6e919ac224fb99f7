module github.com/cloakroom-go/cloakroom/examples/ownstore

go 1.26.0

require github.com/cloakroom-go/cloakroom v0.1.0
