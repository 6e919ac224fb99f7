module github.com/cloakroom-go/cloakroom/adapters/gorilla

go 1.26.0

require (
	github.com/cloakroom-go/cloakroom v0.1.0
	github.com/gorilla/securecookie v1.1.2
	github.com/gorilla/sessions v1.4.0
)

require github.com/hashicorp/golang-lru/v2 v2.0.7 // indirect
