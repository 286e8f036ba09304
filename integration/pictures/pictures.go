// Package pictures makes small real image files for the scenarios: nothing is
// read from disk, and the same arguments always give the same bytes.
//
//	file := pictures.PNG(pictures.Solid(64, 48, pictures.Red))
package pictures

import (
	"bytes"
	"image"
	"image/color"
	"image/draw"
	"image/jpeg"
	"image/png"
	"math/rand/v2"
)

// Colours that the sample upstream knows by name.
var (
	Red   = color.RGBA{220, 30, 30, 255}
	Green = color.RGBA{30, 180, 50, 255}
	Blue  = color.RGBA{30, 60, 220, 255}
	White = color.RGBA{250, 250, 250, 255}
	Black = color.RGBA{10, 10, 10, 255}
)

// Solid is one colour all over.
func Solid(width, height int, c color.Color) image.Image {
	img := image.NewRGBA(image.Rect(0, 0, width, height))
	draw.Draw(img, img.Bounds(), image.NewUniform(c), image.Point{}, draw.Src)
	return img
}

// Gradient runs from one colour at the left edge to another at the right.
func Gradient(width, height int, from, to color.RGBA) image.Image {
	img := image.NewRGBA(image.Rect(0, 0, width, height))
	steps := max(width-1, 1)
	for x := range width {
		c := color.RGBA{mix(from.R, to.R, x, steps), mix(from.G, to.G, x, steps), mix(from.B, to.B, x, steps), 255}
		for y := range height {
			img.SetRGBA(x, y, c)
		}
	}
	return img
}

func mix(from, to uint8, step, steps int) uint8 {
	return uint8((int(from)*(steps-step) + int(to)*step) / steps)
}

// Shapes scatters rectangles and discs over a pale ground. Different seeds give
// pictures that a perceptual hash tells apart.
func Shapes(width, height int, seed uint64) image.Image {
	img := image.NewRGBA(image.Rect(0, 0, width, height))
	draw.Draw(img, img.Bounds(), image.NewUniform(color.RGBA{235, 235, 225, 255}), image.Point{}, draw.Src)
	random := rand.New(rand.NewPCG(seed, 1))
	for i := range 8 {
		c := color.RGBA{uint8(random.IntN(200)), uint8(random.IntN(200)), uint8(random.IntN(200)), 255}
		x, y := random.IntN(width), random.IntN(height)
		size := min(width, height)/8 + random.IntN(max(min(width, height)/4, 1))
		if i%2 == 0 {
			draw.Draw(img, image.Rect(x, y, x+size, y+size), image.NewUniform(c), image.Point{}, draw.Src)
		} else {
			disc(img, x, y, size/2, c)
		}
	}
	return img
}

// Object puts one filled rectangle on a plain ground.
func Object(width, height int, box image.Rectangle, object, ground color.Color) image.Image {
	img := Solid(width, height, ground).(*image.RGBA)
	draw.Draw(img, box, image.NewUniform(object), image.Point{}, draw.Src)
	return img
}

func disc(img *image.RGBA, cx, cy, radius int, c color.RGBA) {
	for y := cy - radius; y <= cy+radius; y++ {
		for x := cx - radius; x <= cx+radius; x++ {
			inside := (x-cx)*(x-cx)+(y-cy)*(y-cy) <= radius*radius
			if inside && (image.Point{X: x, Y: y}).In(img.Rect) {
				img.SetRGBA(x, y, c)
			}
		}
	}
}

// PNG encodes a picture as a PNG file.
func PNG(img image.Image) []byte {
	var file bytes.Buffer
	if err := png.Encode(&file, img); err != nil {
		panic("pictures: encoding to memory failed: " + err.Error())
	}
	return file.Bytes()
}

// JPEG encodes a picture as a JPEG file of middling quality.
func JPEG(img image.Image) []byte {
	var file bytes.Buffer
	if err := jpeg.Encode(&file, img, &jpeg.Options{Quality: 85}); err != nil {
		panic("pictures: encoding to memory failed: " + err.Error())
	}
	return file.Bytes()
}
