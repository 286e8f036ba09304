package upstream

import (
	"cmp"
	"fmt"
	"image"
	"math"
	"slices"
)

// The shapes below are the vendor's: confidences are decimal strings from 0 to
// 100, boxes are in pixels from the top left.

type bilingual struct {
	Zh string `json:"zh"`
	En string `json:"en"`
}

type tag struct {
	Confidence string        `json:"confidence"`
	Type       string        `json:"type"`
	Tag        string        `json:"tag"`
	I18nTag    bilingual     `json:"i18n_tag"`
	I18nType   bilingual     `json:"i18n_type"`
	Instances  []tagInstance `json:"instances"`
}

type tagInstance struct {
	BoundingBox box    `json:"bounding_box"`
	Confidence  string `json:"confidence"`
}

type box struct {
	Width    int `json:"width"`
	Height   int `json:"height"`
	TopLeftX int `json:"top_left_x"`
	TopLeftY int `json:"top_left_y"`
}

var chinese = map[string]string{
	"red": "红色", "orange": "橙色", "yellow": "黄色", "green": "绿色", "cyan": "青色", "blue": "蓝色",
	"purple": "紫色", "black": "黑色", "white": "白色", "gray": "灰色",
	"bright": "明亮", "dark": "昏暗", "sharp": "清晰", "blurry": "模糊",
	"landscape": "横向", "portrait": "纵向", "square": "方形",
	"colour": "颜色", "light": "光线", "focus": "清晰度", "format": "画幅",
}

// found is a tag before it is put into words.
type found struct {
	name, kind string
	confidence float64 // 0–100
	box        image.Rectangle
}

// tagging is RunImageTagging.
func tagging(req recognitionRequest, img image.Image) any {
	return tagsOf(req, everything(img), 60, 50)
}

// mediaTagging is RunImageMediaTagging.
func mediaTagging(req recognitionRequest, img image.Image) any {
	return tagsOf(req, everything(img), 60, 10)
}

// mediaTaggingDet is RunImageMediaTaggingDet: only what has a place.
func mediaTaggingDet(req recognitionRequest, img image.Image) any {
	return tagsOf(req, colourTags(sample(img, img.Bounds())), 20, 10)
}

func everything(img image.Image) []found {
	g := sample(img, img.Bounds())
	light, sharp := 100*g.brightness(), 100*g.sharpness()/(g.sharpness()+100)
	tags := append(colourTags(g),
		found{name: "bright", kind: "light", confidence: light},
		found{name: "dark", kind: "light", confidence: 100 - light},
		found{name: "sharp", kind: "focus", confidence: sharp},
		found{name: "blurry", kind: "focus", confidence: 100 - sharp})
	format := found{name: "square", kind: "format", confidence: 100}
	switch {
	case g.full.X > g.full.Y:
		format.name = "landscape"
	case g.full.X < g.full.Y:
		format.name = "portrait"
	}
	return append(tags, format)
}

// colourTags are as sure as their colour is frequent; the root lets a third of
// the picture pass the usual threshold.
func colourTags(g grid) []found {
	var tags []found
	for name, share := range g.colours() {
		place, _ := g.region(func(c rgb) bool { return colourName(c) == name })
		tags = append(tags, found{name, "colour", 100 * min(1, math.Sqrt(share)), place})
	}
	return tags
}

// tagsOf keeps the surest tags and puts them into the vendor's words.
func tagsOf(req recognitionRequest, tags []found, threshold float64, limit int) any {
	threshold = req.threshold(threshold)
	tags = slices.DeleteFunc(tags, func(f found) bool { return f.confidence < threshold })
	slices.SortFunc(tags, func(a, b found) int {
		return cmp.Or(cmp.Compare(b.confidence, a.confidence), cmp.Compare(a.name, b.name))
	})
	if req.Limit != nil {
		limit = *req.Limit
	}
	items := []tag{}
	for _, f := range tags[:min(limit, len(tags))] {
		items = append(items, f.tag(req.Language))
	}
	return map[string]any{"tags": items}
}

func (f found) tag(language string) tag {
	t := tag{
		Confidence: percent(f.confidence), Type: chinese[f.kind], Tag: chinese[f.name],
		I18nTag:   bilingual{chinese[f.name], f.name},
		I18nType:  bilingual{chinese[f.kind], f.kind},
		Instances: []tagInstance{},
	}
	if language == "en" {
		t.Type, t.Tag = f.kind, f.name
	}
	if !f.box.Empty() {
		t.Instances = append(t.Instances, tagInstance{boxOf(f.box), t.Confidence})
	}
	return t
}

// mainObject is RunImageMainObjectDetection: what stands out from the border.
func mainObject(req recognitionRequest, img image.Image) any {
	objects := []map[string]any{}
	place, fill := sample(img, img.Bounds()).object()
	if confidence := 100 * fill; !place.Empty() && confidence >= req.threshold(30) {
		objects = append(objects, map[string]any{
			"label":      "main_object_box",
			"confidence": percent(confidence),
			"location": map[string]string{
				"width": fmt.Sprint(place.Dx()), "height": fmt.Sprint(place.Dy()),
				"top_left_x": fmt.Sprint(place.Min.X), "top_left_y": fmt.Sprint(place.Min.Y),
			},
		})
	}
	return objects
}

// celebrities is RunCelebrityRecognition. The sample knows nobody by name: it
// reports a region of skin tones that fills its box as a face does, an ellipse.
func celebrities(req recognitionRequest, img image.Image) any {
	people := []map[string]any{}
	place, fill := sample(img, img.Bounds()).skin()
	if confidence := min(1, fill/(math.Pi/4)); !place.Empty() && confidence >= req.threshold(0.9) {
		people = append(people, map[string]any{
			"label":       "somebody",
			"confidence":  confidence,
			"face_detail": map[string]int{"w": place.Dx(), "h": place.Dy(), "x": place.Min.X, "y": place.Min.Y},
		})
	}
	return people
}

func boxOf(r image.Rectangle) box {
	return box{Width: r.Dx(), Height: r.Dy(), TopLeftX: r.Min.X, TopLeftY: r.Min.Y}
}

func percent(confidence float64) string { return fmt.Sprintf("%.2f", confidence) }
