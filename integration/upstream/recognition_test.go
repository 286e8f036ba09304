package upstream_test

import (
	"fmt"
	"image"
	"image/color"
	"net/http"
	"testing"

	"github.com/tallygate/tallygate/integration/clients"
	"github.com/tallygate/tallygate/integration/pictures"
	"github.com/tallygate/tallygate/integration/upstream"
)

func names(tags []clients.Tag) map[string]string {
	set := map[string]string{}
	for _, t := range tags {
		set[t.Name] = t.Confidence
	}
	return set
}

func TestTagging(t *testing.T) {
	t.Parallel()
	client := start(t, upstream.Config{}).recognition(t, nil)
	noise := pictures.Solid(96, 96, pictures.White).(*image.RGBA)
	for i := range 96 * 96 {
		if (i+i/96)%2 == 0 {
			noise.Set(i%96, i/96, pictures.Black)
		}
	}
	for _, c := range []struct {
		name    string
		file    []byte
		want    string
		without string
	}{
		{"red png", pictures.PNG(pictures.Solid(64, 48, pictures.Red)), "red", "blue"},
		{"blue jpeg", pictures.JPEG(pictures.Solid(64, 48, pictures.Blue)), "blue", "red"},
		{"two halves", pictures.PNG(pictures.Object(64, 64, image.Rect(0, 0, 32, 64), pictures.Red, pictures.Green)), "green", "cyan"},
		{"bright", pictures.PNG(pictures.Solid(64, 48, pictures.White)), "bright", "dark"},
		{"dark", pictures.PNG(pictures.Solid(64, 48, pictures.Black)), "dark", "bright"},
		{"sharp", pictures.PNG(noise), "sharp", "blurry"},
		{"blurry", pictures.PNG(pictures.Gradient(96, 96, pictures.Red, pictures.Blue)), "blurry", "sharp"},
		{"landscape", pictures.PNG(pictures.Solid(64, 48, pictures.Red)), "landscape", "portrait"},
		{"portrait", pictures.PNG(pictures.Solid(48, 64, pictures.Red)), "portrait", "square"},
	} {
		tags, outcome := client.Tag(c.file, clients.TagOptions{Language: "en"})
		got := names(tags)
		if !outcome.OK || got[c.want] == "" || got[c.without] != "" {
			t.Errorf("%s: %v, tags %v: want %s and not %s", c.name, outcome, got, c.want, c.without)
		}
	}
}

func TestTaggingOptions(t *testing.T) {
	t.Parallel()
	client := start(t, upstream.Config{}).recognition(t, nil)
	file := pictures.PNG(pictures.Solid(64, 48, pictures.Red))

	tags, _ := client.Tag(file, clients.TagOptions{})
	if names(tags)["红色"] != "100.00" {
		t.Errorf("the default language is not Chinese: %v", tags)
	}
	one, zero := int32(1), float32(0)
	if tags, _ = client.Tag(file, clients.TagOptions{Limit: &one}); len(tags) != 1 {
		t.Errorf("limit 1 gave %v", tags)
	}
	all, _ := client.Tag(file, clients.TagOptions{Language: "en", Threshold: &zero})
	if names(all)["bright"] == "" || names(all)["dark"] == "" {
		t.Errorf("threshold 0 left out a tag: %v", all)
	}
}

func TestOtherRecognition(t *testing.T) {
	t.Parallel()
	s := start(t, upstream.Config{})
	client := s.recognition(t, nil)
	box := image.Rect(20, 10, 60, 40)
	file := pictures.PNG(pictures.Object(90, 60, box, pictures.Blue, pictures.White))

	places, outcome := client.Detect(file)
	if !outcome.OK || len(places) != 1 || places[0].Where["top_left_x"] != "20" || places[0].Where["width"] != "40" {
		t.Errorf("main object: %v %v", outcome, places)
	}
	skin := pictures.PNG(pictures.Object(90, 60, box, color.RGBA{224, 172, 138, 255}, pictures.Blue))
	places, outcome = client.Celebrities(skin)
	if !outcome.OK || len(places) != 1 || fmt.Sprint(places[0].Where["x"]) != "20" {
		t.Errorf("skin tones: %v %v", outcome, places)
	}
	if places, outcome = client.Celebrities(file); !outcome.OK || len(places) != 0 {
		t.Errorf("no face: %v %v", outcome, places)
	}
	tags, outcome := client.TagMedia(file, clients.TagOptions{Language: "en"})
	if !outcome.OK || names(tags)["white"] == "" {
		t.Errorf("media tagging: %v %v", outcome, tags)
	}
	tags, outcome = client.Locate(file, clients.TagOptions{Language: "en"})
	if !outcome.OK || names(tags)["blue"] == "" || names(tags)["landscape"] != "" {
		t.Errorf("media tagging with boxes: %v %v", outcome, tags)
	}
	for operation, want := range map[string]int{
		"recognition/main-object-detection": 1, "recognition/celebrity-recognition": 2,
		"recognition/media-tagging": 1, "recognition/media-tagging-det": 1,
	} {
		if got := s.tally(t).Success[operation]; got != want {
			t.Errorf("truth log: %d of %s, want %d", got, operation, want)
		}
	}
}

func TestBadPictures(t *testing.T) {
	t.Parallel()
	s := start(t, upstream.Config{})
	client := s.recognition(t, nil)
	whole := pictures.PNG(pictures.Shapes(64, 64, 1))
	for _, c := range []struct {
		name string
		file []byte
		o    clients.TagOptions
		code string
	}{
		{"url", nil, clients.TagOptions{URL: "http://127.0.0.1/a.png"}, "AIS.0022"},
		{"empty", []byte{}, clients.TagOptions{}, "AIS.0101"},
		{"not a picture", []byte("GIF89a and nothing else"), clients.TagOptions{}, "AIS.0102"},
		{"cut short", whole[:len(whole)/2], clients.TagOptions{}, "AIS.0102"},
		{"too small", pictures.PNG(pictures.Solid(14, 64, pictures.Red)), clients.TagOptions{}, "AIS.0103"},
		{"language", whole, clients.TagOptions{Language: "fr"}, "AIS.0101"},
	} {
		_, outcome := client.Tag(c.file, c.o)
		if outcome.OK || outcome.Status != http.StatusBadRequest || outcome.Code != c.code || outcome.Message == "" {
			t.Errorf("%s: %v, want 400 %s", c.name, outcome, c.code)
		}
	}
	_, body, err := post(t, s.URL()+"/v2/p/image/tagging", "", "{")
	if err != nil || body != `{"error_code":"AIS.0014","error_msg":"the JSON format of the input data is incorrect"}` {
		t.Errorf("bad JSON: %v %s", err, body)
	}
	tally := s.tally(t)
	if tally.Successes() != 0 || tally.Failed["recognition/image-tagging"]["AIS.0101"] != 2 {
		t.Errorf("truth log: %+v", tally)
	}
}
