package upstream

import "testing"

// TestFormsOfEveryKind: a form, a form in parts and an object say the same.
func TestFormsOfEveryKind(t *testing.T) {
	for contentType, body := range map[string]string{
		"application/x-www-form-urlencoded": "ProductId=a%20b&PicName=c",
		"":                                  "ProductId=a+b&PicName=c",
		"application/json; charset=utf-8":   `{"ProductId":"a b","PicName":"c"}`,
		"multipart/form-data; boundary=X": "--X\r\nContent-Disposition: form-data; name=ProductId\r\n\r\na b\r\n" +
			"--X\r\nContent-Disposition: form-data; name=PicName\r\n\r\nc\r\n--X--\r\n",
	} {
		f, err := formOf(contentType, []byte(body))
		if err != nil {
			t.Errorf("%s: %v", contentType, err)
			continue
		}
		if key, err := f.picture(); err != nil || key != (pictureKey{"a b", "c"}) {
			t.Errorf("%s: %+v, %v", contentType, key, err)
		}
	}
	for contentType, body := range map[string]string{
		"application/x-www-form-urlencoded": "a=%",
		"application/json":                  `{"ProductId":1}`,
		"multipart/form-data; boundary=X":   "--Y",
	} {
		if _, err := formOf(contentType, []byte(body)); err == nil {
			t.Errorf("%s: %s was read", contentType, body)
		}
	}
}
