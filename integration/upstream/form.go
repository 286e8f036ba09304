package upstream

import (
	"bytes"
	"encoding/json"
	"mime"
	"mime/multipart"
	"net/url"
)

// formOf reads a request's parameters as the vendor's SDK sends them, in a form,
// and as other services take them: in parts, or as the members of an object.
func formOf(contentType string, body []byte) (form, error) {
	media, params, _ := mime.ParseMediaType(contentType) // what cannot be read is taken for a form
	switch media {
	case "application/json":
		return jsonForm(body)
	case "multipart/form-data":
		return multipartForm(body, params["boundary"])
	}
	values, err := url.ParseQuery(string(body))
	if err != nil {
		return form{}, badParameter("the body is not a form")
	}
	return form{values}, nil
}

func jsonForm(body []byte) (form, error) {
	var members map[string]string
	if err := json.Unmarshal(body, &members); err != nil {
		return form{}, badParameter("the body is not an object of texts")
	}
	f := form{url.Values{}}
	for name, value := range members {
		f.Set(name, value)
	}
	return f, nil
}

func multipartForm(body []byte, boundary string) (form, error) {
	parts, err := multipart.NewReader(bytes.NewReader(body), boundary).ReadForm(bodyMax)
	if err != nil {
		return form{}, badParameter("the body is not in parts")
	}
	return form{parts.Value}, nil
}
