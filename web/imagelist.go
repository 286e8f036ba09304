package web

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"

	"github.com/tallygate/tallygate/account"
)

// imageLineMax bounds one entry of a list, in bytes.
const imageLineMax = 64 << 10

// imageLines reads a list of images of one of the two types.
func imageLines(contentType string, content io.Reader) (imageReader, error) {
	media, params, err := mime.ParseMediaType(contentType)
	content = withoutMark(content)
	switch {
	case err == nil && media == typeNDJSON:
		return ndjsonImages(content), nil
	case err == nil && media == typeCSV && (params["header"] == "" || params["header"] == "present" || params["header"] == "absent"):
		return csvImages(content, params["header"]), nil
	}
	return nil, newProblem(http.StatusUnsupportedMediaType, listTypes)
}

// withoutMark passes over the byte order mark that spreadsheets write.
func withoutMark(content io.Reader) io.Reader {
	r := bufio.NewReader(content)
	if mark, _ := r.Peek(3); string(mark) == "\ufeff" {
		r.Discard(3)
	}
	return r
}

// ndjsonImages reads {"product":"…","picture":"…"} from each line.
func ndjsonImages(content io.Reader) imageReader {
	lines := bufio.NewScanner(content)
	lines.Buffer(nil, imageLineMax)
	line := 0
	return func() (account.Image, error) {
		for lines.Scan() {
			line++
			if len(bytes.TrimSpace(lines.Bytes())) == 0 {
				continue
			}
			image, err := imageOf(lines.Bytes())
			if err != nil {
				return account.Image{}, badLine(line, err)
			}
			return image, nil
		}
		if err := lines.Err(); err != nil {
			return account.Image{}, badLine(line+1, err)
		}
		return account.Image{}, io.EOF
	}
}

func imageOf(line []byte) (account.Image, error) {
	var value any
	if err := unmarshalStrict(line, &value); err != nil { // a member twice would be two images
		return account.Image{}, err
	}
	var names struct{ Product, Picture *string }
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(&names); err != nil || names.Product == nil || names.Picture == nil {
		return account.Image{}, errors.New(`write {"product":"…","picture":"…"}`)
	}
	return image(*names.Product, *names.Picture)
}

func image(product, picture string) (account.Image, error) {
	if product == "" || picture == "" {
		return account.Image{}, errors.New("the names of product and picture must not be empty")
	}
	return account.Image{Product: ImageName(product), Picture: ImageName(picture)}, nil
}

// csvImages reads product,picture from each line.
func csvImages(content io.Reader, header string) imageReader {
	budget := &budgetReader{Reader: content}
	lines := csv.NewReader(budget)
	lines.FieldsPerRecord, lines.ReuseRecord = 2, true
	line := 0
	next := func() ([]string, error) {
		budget.left = imageLineMax
		names, err := lines.Read()
		if err == nil {
			line, _ = lines.FieldPos(0)
		}
		return names, err
	}
	first := true
	return func() (account.Image, error) {
		names, err := next()
		if err == nil && first && header != "absent" {
			if header == "present" {
				names, err = next()
			} else if names[0] == "product" && names[1] == "picture" {
				err = errHeader
			}
		}
		first = false
		if err != nil {
			return account.Image{}, badRecord(line, err)
		}
		found, err := image(names[0], names[1])
		if err != nil {
			return account.Image{}, badLine(line, err)
		}
		return found, nil
	}
}

var errHeader = errors.New("it reads product,picture: say header=present if it is a header, header=absent if an image is called so")

// badRecord names the line of a record that is none; io.EOF stays. After is the
// line of the record before.
func badRecord(after int, err error) error {
	var syntax *csv.ParseError
	switch {
	case err == io.EOF:
		return err
	case err == errHeader:
		return badLine(after, err)
	case !errors.As(err, &syntax):
		return badLine(after+1, err)
	case errors.Is(syntax.Err, csv.ErrFieldCount):
		return badLine(syntax.Line, errors.New(`write product,picture, and names that hold commas in "quotes"`))
	}
	return badLine(syntax.Line, syntax.Err)
}

// budgetReader bounds what one record may take, which may span lines.
type budgetReader struct {
	io.Reader
	left int
}

func (b *budgetReader) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, fmt.Errorf("an entry has more than %d bytes: is a quote open?", imageLineMax)
	}
	n, err := b.Reader.Read(p)
	b.left -= n
	return n, err
}
