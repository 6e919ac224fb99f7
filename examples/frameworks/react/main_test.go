package main

import (
	"testing"

	"github.com/cloakroom-go/cloakroom/examples/frameworks/internal/test/story"
)

func TestShop(t *testing.T) { story.Run(t, story.HTTP(app)) }
