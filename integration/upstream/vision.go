package upstream

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	_ "image/jpeg"
	_ "image/png"
	"math"
)

// Limits of what the service looks at: sides in pixels (the vendor's limits
// for tagging), and how finely a picture is sampled for its measurements.
const (
	sideMin     = 15
	sideMax     = 4096
	gridSideMax = 96
)

var (
	errFormat = errors.New("the image is not a readable PNG or JPEG file")
	errSize   = fmt.Errorf("the image must be between %d and %d pixels on each side", sideMin, sideMax)
)

// rgb is one sample, each channel 0–255.
type rgb struct{ r, g, b float64 }

// luma is the perceived brightness, 0–255 (BT.601 weights).
func (c rgb) luma() float64 { return 0.299*c.r + 0.587*c.g + 0.114*c.b }

func (c rgb) distance(o rgb) float64 {
	return math.Sqrt((c.r-o.r)*(c.r-o.r) + (c.g-o.g)*(c.g-o.g) + (c.b-o.b)*(c.b-o.b))
}

// grid is a picture reduced to at most gridSideMax samples a side.
type grid struct {
	width, height int // samples
	full          image.Point
	at            []rgb
}

// decode reads a PNG or JPEG file whole, checking its size before its pixels.
func decode(file []byte) (image.Image, error) {
	config, _, err := image.DecodeConfig(bytes.NewReader(file))
	if err != nil {
		return nil, errFormat
	}
	if min(config.Width, config.Height) < sideMin || max(config.Width, config.Height) > sideMax {
		return nil, errSize
	}
	img, _, err := image.Decode(bytes.NewReader(file))
	if err != nil {
		return nil, errFormat
	}
	return img, nil
}

// sample reduces the part of img inside box; the side ratio is not kept for
// tiny pictures.
func sample(img image.Image, box image.Rectangle) grid {
	g := grid{width: min(box.Dx(), gridSideMax), height: min(box.Dy(), gridSideMax), full: box.Size()}
	g.at = make([]rgb, 0, g.width*g.height)
	for y := range g.height {
		for x := range g.width {
			px := box.Min.X + (2*x+1)*box.Dx()/(2*g.width)
			py := box.Min.Y + (2*y+1)*box.Dy()/(2*g.height)
			r, gr, b, _ := img.At(px, py).RGBA()
			g.at = append(g.at, rgb{float64(r >> 8), float64(gr >> 8), float64(b >> 8)})
		}
	}
	return g
}

func (g grid) cell(x, y int) rgb { return g.at[y*g.width+x] }

// brightness is the mean luma, 0–1.
func (g grid) brightness() float64 {
	sum := 0.0
	for _, c := range g.at {
		sum += c.luma()
	}
	return sum / float64(len(g.at)) / 255
}

// sharpness is the variance of the Laplacian of the luma.
func (g grid) sharpness() float64 {
	var sum, squares, n float64
	for y := 1; y < g.height-1; y++ {
		for x := 1; x < g.width-1; x++ {
			l := g.cell(x-1, y).luma() + g.cell(x+1, y).luma() + g.cell(x, y-1).luma() +
				g.cell(x, y+1).luma() - 4*g.cell(x, y).luma()
			sum, squares, n = sum+l, squares+l*l, n+1
		}
	}
	return squares/n - (sum/n)*(sum/n)
}

// colours gives the share of samples, 0–1, of every named colour present.
func (g grid) colours() map[string]float64 {
	shares := map[string]float64{}
	for _, c := range g.at {
		shares[colourName(c)] += 1 / float64(len(g.at))
	}
	return shares
}

// colourName sorts a colour by lightness first, then saturation, then hue.
func colourName(c rgb) string {
	high, low := max(c.r, c.g, c.b), min(c.r, c.g, c.b)
	switch {
	case high < 50:
		return "black"
	case high-low < 0.15*high && high > 215:
		return "white"
	case high-low < 0.15*high:
		return "gray"
	}
	hue := hueDegrees(c, high, high-low)
	for _, band := range []struct {
		below float64
		name  string
	}{{15, "red"}, {45, "orange"}, {70, "yellow"}, {165, "green"}, {195, "cyan"}, {260, "blue"}, {330, "purple"}} {
		if hue < band.below {
			return band.name
		}
	}
	return "red"
}

func hueDegrees(c rgb, high, spread float64) float64 {
	var sixth float64
	switch high {
	case c.r:
		sixth = (c.g - c.b) / spread
	case c.g:
		sixth = 2 + (c.b-c.r)/spread
	default:
		sixth = 4 + (c.r-c.g)/spread
	}
	return math.Mod(sixth*60+360, 360)
}

// region finds the box, in pixels of the sampled part, around the samples that
// match, and the share of the box they fill (0–1). It is empty without any.
func (g grid) region(match func(rgb) bool) (box image.Rectangle, fill float64) {
	matched := 0
	for y := range g.height {
		for x := range g.width {
			if match(g.cell(x, y)) {
				box = box.Union(image.Rect(x, y, x+1, y+1))
				matched++
			}
		}
	}
	if matched == 0 {
		return image.Rectangle{}, 0
	}
	fill = float64(matched) / float64(box.Dx()*box.Dy())
	return image.Rect(box.Min.X*g.full.X/g.width, box.Min.Y*g.full.Y/g.height,
		box.Max.X*g.full.X/g.width, box.Max.Y*g.full.Y/g.height), fill
}

// object is the region that differs from the mean colour of the border.
func (g grid) object() (image.Rectangle, float64) {
	var ground rgb
	n := 0.0
	for y := range g.height {
		for x := range g.width {
			if x == 0 || y == 0 || x == g.width-1 || y == g.height-1 {
				c := g.cell(x, y)
				ground, n = rgb{ground.r + c.r, ground.g + c.g, ground.b + c.b}, n+1
			}
		}
	}
	ground = rgb{ground.r / n, ground.g / n, ground.b / n}
	return g.region(func(c rgb) bool { return c.distance(ground) > 48 })
}

// skin is the region of skin tones, by their narrow range of chrominance.
func (g grid) skin() (image.Rectangle, float64) {
	return g.region(func(c rgb) bool {
		cb := 128 + 0.564*(c.b-c.luma())
		cr := 128 + 0.713*(c.r-c.luma())
		return c.luma() > 60 && cb > 77 && cb < 127 && cr > 138 && cr < 170
	})
}
