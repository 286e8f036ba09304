package upstream

import (
	"encoding/base64"
	"fmt"
	"image"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// otherCategory is the vendor's number for pictures of no known category.
const otherCategory = 88888888

// Shapes of the search vendor's answers (ImageSearch 2019-03-25).

type picInfo struct {
	CategoryID    int    `json:"CategoryId"`
	Region        string // x1,x2,y1,y2 in pixels
	AllCategories []category
}

type category struct {
	ID   int `json:"Id"`
	Name string
}

type auction struct {
	CategoryID     int    `json:"CategoryId"`
	ProductID      string `json:"ProductId"`
	PicName        string
	CustomContent  string
	SortExprValues string
	IntAttr        int
	StrAttr        string
}

// search builds an operation of the search service from a function over its
// form parameters, which must name an instance.
func (s *Server) search(name string, run func(form, map[string]any) error) operation {
	return operation{
		name:    name,
		failure: alibabaFailure,
		canned:  []byte(`{"RequestId":"canned","Success":true,"Code":0,"Message":"success","Msg":"success"}`),
		run: func(c *call) ([]byte, error) {
			f, err := formOf(c.r.Header.Get("Content-Type"), c.body)
			if err != nil {
				return nil, err
			}
			if c.truth.Instance, err = f.name("InstanceName", 20); err != nil {
				return nil, err
			}
			answer := map[string]any{
				"RequestId": c.w.Header().Get("X-Request-Id"),
				"Success":   true, "Code": 0, "Message": "success", "Msg": "success",
			}
			if err := run(f, answer); err != nil {
				return nil, err
			}
			return mustJSON(answer), nil
		},
	}
}

// addImage is AddImage: it overwrites the picture of the same product and name.
func (s *Server) addImage(f form, answer map[string]any) error {
	key, err := f.picture()
	if err != nil {
		return err
	}
	p := picture{custom: f.Get("CustomContent"), strAttr: f.Get("StrAttr")}
	if p.category, err = f.number("CategoryId", otherCategory); err != nil {
		return err
	}
	if p.intAttr, err = f.number("IntAttr", 0); err != nil {
		return err
	}
	var region string
	if p.print, region, err = s.printOf(f); err != nil {
		return err
	}
	s.index.put(f.Get("InstanceName"), key, p)
	answer["PicInfo"] = infoOf(p.category, region)
	return nil
}

// deleteImage is DeleteImage: without PicName it deletes the whole product;
// deleting what is missing is a success that changes nothing.
func (s *Server) deleteImage(f form, _ map[string]any) error {
	product, err := f.name("ProductId", 512)
	if err != nil {
		return err
	}
	s.index.remove(f.Get("InstanceName"), product, f.Get("PicName"))
	return nil
}

// searchImage is SearchImage, by picture or by the name of one added before.
func (s *Server) searchImage(f form, answer map[string]any) error {
	began := time.Now()
	if f.Get("Filter") != "" {
		return badParameter("Filter is not supported by the sample")
	}
	start, err1 := f.number("Start", 0)
	num, err2 := f.number("Num", 10)
	wanted, err3 := f.number("CategoryId", 0)
	if err1 != nil || err2 != nil || err3 != nil || start < 0 || num < 1 || num > 100 {
		return badParameter("Start must be 0 or more, Num from 1 to 100, CategoryId a number")
	}
	print, region, err := s.wanted(f)
	if err != nil {
		return err
	}
	matches := s.index.nearest(f.Get("InstanceName"), print, wanted)
	auctions := []auction{}
	for _, m := range matches[min(start, len(matches)):min(start+num, len(matches))] {
		auctions = append(auctions, auction{
			CategoryID: m.category, ProductID: m.product, PicName: m.name, CustomContent: m.custom,
			SortExprValues: fmt.Sprintf("%.4f", 64-m.distance), IntAttr: m.intAttr, StrAttr: m.strAttr,
		})
	}
	answer["Auctions"] = auctions
	answer["PicInfo"] = infoOf(wanted, region)
	answer["Head"] = map[string]int64{
		"DocsReturn": int64(len(auctions)), "DocsFound": int64(len(matches)), "SearchTime": time.Since(began).Milliseconds(),
	}
	return nil
}

// wanted is the fingerprint a search is for.
func (s *Server) wanted(f form) (fingerprint, string, error) {
	if f.Get("Type") != "SearchByName" {
		return s.printOf(f)
	}
	key, err := f.picture()
	if err != nil {
		return fingerprint{}, "", err
	}
	p, ok := s.index.find(f.Get("InstanceName"), key)
	if !ok {
		return fingerprint{}, "", badParameter("no picture of that product and name")
	}
	return p.print, "", nil
}

// printOf hashes PicContent, or the Region of it. It is remembered: decoding
// is what costs.
func (s *Server) printOf(f form) (fingerprint, string, error) {
	content, region := f.Get("PicContent"), f.Get("Region")
	print, err := s.prints.get(keyOf([]byte(content), []byte(region)), func() (fingerprint, error) {
		file, err := base64.StdEncoding.DecodeString(content)
		if err != nil || content == "" {
			return fingerprint{}, badParameter("PicContent must be a picture in base64")
		}
		img, err := decode(file)
		if err != nil {
			return fingerprint{}, &refusal{http.StatusBadRequest, "InvalidPicture", err.Error()}
		}
		box, err := regionOf(region, img.Bounds())
		if err != nil {
			return fingerprint{}, err
		}
		return fingerprintOf(img, box), nil
	})
	return print, region, err
}

// regionOf reads x1,x2,y1,y2; an empty text is the whole picture.
func regionOf(text string, whole image.Rectangle) (image.Rectangle, error) {
	if text == "" {
		return whole, nil
	}
	var x1, x2, y1, y2 int
	if n, err := fmt.Sscanf(text, "%d,%d,%d,%d", &x1, &x2, &y1, &y2); n != 4 || err != nil {
		return image.Rectangle{}, badParameter("Region must be x1,x2,y1,y2")
	}
	box := image.Rect(x1, y1, x2, y2).Intersect(whole)
	if box.Empty() {
		return image.Rectangle{}, badParameter("Region lies outside the picture")
	}
	return box, nil
}

func infoOf(id int, region string) picInfo {
	return picInfo{id, region, []category{{otherCategory, "other"}}}
}

// form is a request's parameters.
type form struct{ url.Values }

func (f form) picture() (key pictureKey, err error) {
	if key.product, err = f.name("ProductId", 512); err != nil {
		return key, err
	}
	key.name, err = f.name("PicName", 512)
	return key, err
}

// name is a parameter that must be there and not too long.
func (f form) name(parameter string, longest int) (string, error) {
	value := f.Get(parameter)
	if value == "" || len(value) > longest {
		return "", badParameter(fmt.Sprintf("%s must have 1 to %d characters", parameter, longest))
	}
	return value, nil
}

func (f form) number(parameter string, otherwise int) (int, error) {
	text := f.Get(parameter)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0, badParameter(parameter + " must be a number")
	}
	return n, nil
}

func badParameter(message string) error {
	return &refusal{http.StatusBadRequest, "InvalidParameter", message}
}

// alibabaFailure is the error body of the search vendor: a failure of the
// service has a number for a code, a refused request a word.
func alibabaFailure(r refusal, c *call) []byte {
	body := map[string]any{
		"RequestId": c.w.Header().Get("X-Request-Id"), "HostId": "sample-upstream",
		"Success": false, "Code": r.code, "Message": r.message,
	}
	if r.status == http.StatusOK {
		body["Code"], body["Msg"] = 10000, r.message
	}
	return mustJSON(body)
}
