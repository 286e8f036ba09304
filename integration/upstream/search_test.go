package upstream_test

import (
	"fmt"
	"image/color"
	"net/http"
	"slices"
	"testing"

	"github.com/tallygate/tallygate/integration/clients"
	"github.com/tallygate/tallygate/integration/pictures"
	"github.com/tallygate/tallygate/integration/upstream"
)

func shape(seed uint64) []byte { return pictures.PNG(pictures.Shapes(120, 90, seed)) }

func fill(t *testing.T, client *clients.Search, pictures int) {
	t.Helper()
	for i := range pictures {
		o := client.Add("shop", fmt.Sprintf("product-%d", i/2), fmt.Sprintf("picture-%d", i%2), shape(uint64(i)))
		if !o.OK {
			t.Fatalf("add %d: %v", i, o)
		}
	}
}

func TestSearchFindsWhatWasAdded(t *testing.T) {
	t.Parallel()
	s := start(t, upstream.Config{})
	client := s.search(t, nil)
	fill(t, client, 10)
	for i := range 10 {
		want := clients.Match{Product: fmt.Sprintf("product-%d", i/2), Name: fmt.Sprintf("picture-%d", i%2)}
		matches, o := client.Search("shop", shape(uint64(i)), 3)
		if !o.OK || len(matches) != 3 || matches[0] != want {
			t.Errorf("search %d: %v %v, want %v first", i, o, matches, want)
		}
		// The same picture, smaller and with JPEG's losses.
		matches, _ = client.Search("shop", pictures.JPEG(pictures.Shapes(120, 90, uint64(i))), 1)
		if len(matches) != 1 || matches[0] != want {
			t.Errorf("search %d as JPEG: %v, want %v", i, matches, want)
		}
		matches, _ = client.SearchName("shop", want.Product, want.Name, 1)
		if len(matches) != 1 || matches[0] != want {
			t.Errorf("search %d by name: %v, want %v", i, matches, want)
		}
	}
	if matches, o := client.Search("another", shape(1), 3); !o.OK || len(matches) != 0 {
		t.Errorf("another instance: %v %v", o, matches)
	}
}

// Structure decides, not colour: the mirror image has the same mean colour.
func TestSearchTellsMirrorImagesApart(t *testing.T) {
	t.Parallel()
	client := start(t, upstream.Config{}).search(t, nil)
	client.Add("shop", "rising", "n", pictures.PNG(pictures.Gradient(90, 60, pictures.Black, pictures.White)))
	client.Add("shop", "falling", "n", pictures.PNG(pictures.Gradient(90, 60, pictures.White, pictures.Black)))
	dimmer := color.RGBA{180, 180, 180, 255}
	matches, o := client.Search("shop", pictures.JPEG(pictures.Gradient(60, 60, pictures.Black, dimmer)), 2)
	if !o.OK || len(matches) != 2 || matches[0].Product != "rising" {
		t.Errorf("%v %v", o, matches)
	}
}

func TestOverwriteAndDelete(t *testing.T) {
	t.Parallel()
	s := start(t, upstream.Config{})
	client := s.search(t, nil)
	fill(t, client, 6)

	if o := client.Add("shop", "product-0", "picture-0", shape(99)); !o.OK || s.Images("shop") != 6 {
		t.Errorf("overwrite: %v, %d images", o, s.Images("shop"))
	}
	if matches, _ := client.Search("shop", shape(99), 1); !slices.Contains(matches, clients.Match{Product: "product-0", Name: "picture-0"}) {
		t.Errorf("the new picture is not found: %v", matches)
	}
	for _, step := range []struct {
		product, name string
		left          int
	}{
		{"product-1", "picture-1", 5},
		{"product-1", "picture-1", 5}, // missing by now
		{"product-2", "", 3},
		{"nothing", "", 3},
	} {
		if o := client.Delete("shop", step.product, step.name); !o.OK || s.Images("shop") != step.left {
			t.Errorf("delete %s %s: %v, %d left, want %d", step.product, step.name, o, s.Images("shop"), step.left)
		}
	}
}

func TestSearchRefusals(t *testing.T) {
	t.Parallel()
	s := start(t, upstream.Config{})
	client := s.search(t, nil)
	for name, o := range map[string]clients.Outcome{
		"InvalidPicture":   client.Add("shop", "p", "n", []byte("no picture")),
		"InvalidParameter": client.Add("", "p", "n", shape(1)),
	} {
		if o.OK || o.Status != http.StatusBadRequest || o.Code != name || o.Message == "" {
			t.Errorf("%v, want 400 %s", o, name)
		}
	}
	if o := client.Delete("shop", "", ""); o.Code != "InvalidParameter" {
		t.Errorf("delete without a product: %v", o)
	}
	if s.Images("shop") != 0 || s.tally(t).Successes() != 0 {
		t.Errorf("a refused call changed something: %d images, %+v", s.Images("shop"), s.tally(t))
	}
}
