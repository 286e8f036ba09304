package upstream

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"image"
	"net/http"
)

// recognitionRequest is the body of every recognition call.
type recognitionRequest struct {
	Image     *string  `json:"image"` // base64 of a PNG or JPEG file
	URL       *string  `json:"url"`   // refused: the sample fetches nothing
	Language  string   `json:"language"`
	Threshold *float64 `json:"threshold"` // 0–100, or 0–1 for celebrities
	Limit     *int     `json:"limit"`
}

// describe computes the `result` member from a whole picture.
type describe func(req recognitionRequest, img image.Image) any

// recognition builds an operation of the recognition service. Answers are
// remembered by request body: they depend on nothing else.
func (s *Server) recognition(name string, result describe) operation {
	return operation{
		name:    name,
		failure: huaweiFailure,
		canned:  []byte(`{"result":{"tags":[{"confidence":"100.00","type":"颜色","tag":"红色","i18n_tag":{"zh":"红色","en":"red"},"i18n_type":{"zh":"颜色","en":"colour"},"instances":[]}]}}`),
		run: func(c *call) ([]byte, error) {
			return s.replies.get(keyOf([]byte(name), c.body), func() ([]byte, error) {
				req, img, err := readRecognition(c.body)
				if err != nil {
					return nil, err
				}
				return json.Marshal(map[string]any{"result": result(req, img)})
			})
		},
	}
}

func readRecognition(body []byte) (req recognitionRequest, img image.Image, err error) {
	invalid := func(code, message string) error { return &refusal{http.StatusBadRequest, code, message} }
	if json.Unmarshal(body, &req) != nil {
		return req, nil, invalid("AIS.0014", "the JSON format of the input data is incorrect")
	}
	switch {
	case req.Image == nil && req.URL != nil:
		return req, nil, invalid("AIS.0022", "the image cannot be fetched from its URL: send it as base64 in image")
	case req.Image == nil || *req.Image == "":
		return req, nil, invalid("AIS.0101", "image is missing")
	case req.Language != "" && req.Language != "zh" && req.Language != "en":
		return req, nil, invalid("AIS.0101", "language must be zh or en")
	case req.Threshold != nil && (*req.Threshold < 0 || *req.Threshold > 100):
		return req, nil, invalid("AIS.0101", "threshold must be from 0 to 100")
	case req.Limit != nil && (*req.Limit < 1 || *req.Limit > 150):
		return req, nil, invalid("AIS.0101", "limit must be from 1 to 150")
	}
	file, err := base64.StdEncoding.DecodeString(*req.Image)
	if err != nil {
		return req, nil, invalid("AIS.0101", "image is not base64")
	}
	switch img, err = decode(file); {
	case errors.Is(err, errSize):
		return req, nil, invalid("AIS.0103", err.Error())
	case err != nil:
		return req, nil, invalid("AIS.0102", err.Error())
	}
	return req, img, nil
}

// threshold is the one asked for, or the operation's own.
func (r recognitionRequest) threshold(otherwise float64) float64 {
	if r.Threshold == nil {
		return otherwise
	}
	return *r.Threshold
}

// huaweiFailure is the error body of the recognition vendor.
func huaweiFailure(r refusal, _ *call) []byte {
	return mustJSON(map[string]string{"error_code": r.code, "error_msg": r.message})
}

// mustJSON encodes values that are made of strings, numbers and slices only.
func mustJSON(v any) []byte {
	body, err := json.Marshal(v)
	if err != nil {
		panic("upstream: encoding an answer failed: " + err.Error())
	}
	return body
}
