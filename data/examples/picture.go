package examples

// This file reads PNGs.

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// maxPicture bounds the bytes of a PNG file: four for each value there may be, and
// more for what it says besides.
const maxPicture = 4*MaxValues + 1<<20

// pictures is files below a folder.
type pictures struct {
	set   *Set // for the shape
	files []string
}

func (*pictures) Close() error { return nil }

// read implements source.
func (p *pictures) read(dst []float32, i int) error {
	f, err := os.Open(p.files[i])
	if err == nil {
		err = decode(dst, f, p.set.shape)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		return wholeFile(p.files[i], "%v", err)
	}
	return nil
}

// pictures adds the PNGs below a folder that has these entries: of a folder for each
// class, or of folders of such.
func (b *builder) pictures(path string, entries []os.DirEntry) error {
	p := &pictures{set: b.set}
	b.begin(p)
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		b.group(e.Name())
		folder := filepath.Join(path, e.Name())
		inner, err := list(folder)
		if err != nil {
			return err
		}
		classes := []string{folder}
		for _, c := range inner {
			if c.IsDir() {
				classes = append(classes, filepath.Join(folder, c.Name()))
			}
		}
		for _, class := range classes {
			if err := b.class(p, class); err != nil {
				return err
			}
		}
	}
	if b.set.Len() == 0 && b.set.faults.num == 0 {
		return wholeFile(path, "no IDX or .csv files, and no folders with .png files%s", leftOut(entries))
	}
	return nil
}

// class adds the files of a folder, whose name is their label.
func (b *builder) class(p *pictures, folder string) error {
	entries, err := list(folder)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.IsDir() {
			continue
		}
		name := filepath.Join(folder, e.Name())
		err := b.picture(name, e)
		if err == nil {
			err = b.add(filepath.Base(folder))
		}
		if err == nil {
			p.files = append(p.files, name)
		} else if err := b.set.faults.add(wholeFile(name, "%v", err), b.Skip); err != nil {
			return err
		}
	}
	return nil
}

// picture looks at the header of a file.
func (b *builder) picture(name string, e os.DirEntry) error {
	if !e.Type().IsRegular() || !strings.HasSuffix(strings.ToLower(name), ".png") {
		return fmt.Errorf("not a .png file")
	}
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	shape, err := shapeOf(f)
	if err != nil {
		return err
	}
	return b.set.has(shape)
}

// shapeOf reads the header of a PNG.
func shapeOf(r io.Reader) ([]int, error) {
	c, err := png.DecodeConfig(io.LimitReader(r, maxPicture))
	if err != nil {
		return nil, err
	}
	channels := 3
	if c.ColorModel == color.GrayModel || c.ColorModel == color.Gray16Model {
		channels = 1
	}
	shape := []int{channels, c.Height, c.Width}
	return shape, checkShape(shape)
}

// decode writes a PNG of that shape to dst.
func decode(dst []float32, r io.Reader, shape []int) error {
	var head bytes.Buffer // what the header took is read again
	r = io.LimitReader(r, maxPicture)
	is, err := shapeOf(io.TeeReader(r, &head))
	if err != nil {
		return err
	}
	if err := (&Set{shape: shape}).has(is); err != nil {
		return err
	}
	img, err := png.Decode(io.MultiReader(&head, r))
	if err != nil {
		return err
	}
	channels, width, size := shape[0], shape[2], shape[1]*shape[2]
	if g, ok := img.(*image.Gray); ok && channels == 1 {
		for i := range dst {
			dst[i] = float32(g.Pix[i/width*g.Stride+i%width]) / 255
		}
		return nil
	}
	for i := range size {
		red, green, blue, _ := img.At(i%width, i/width).RGBA()
		for c, v := range []uint32{red, green, blue}[:channels] {
			dst[c*size+i] = float32(v) / 65535
		}
	}
	return nil
}
