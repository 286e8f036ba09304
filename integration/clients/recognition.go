package clients

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"

	"github.com/huaweicloud/huaweicloud-sdk-go-v3/core/auth/basic"
	"github.com/huaweicloud/huaweicloud-sdk-go-v3/core/config"
	"github.com/huaweicloud/huaweicloud-sdk-go-v3/core/sdkerr"
	image "github.com/huaweicloud/huaweicloud-sdk-go-v3/services/image/v2"
	"github.com/huaweicloud/huaweicloud-sdk-go-v3/services/image/v2/model"
)

// Recognition calls the recognition service through huaweicloud-sdk-go-v3. It
// is safe for concurrent use.
type Recognition struct {
	client *image.ImageClient
	pool   *http.Transport
}

// NewRecognition makes a client. Nothing is sent before the first call.
func NewRecognition(c Config) (*Recognition, error) {
	c = c.withDefaults()
	credentials, err := basic.NewCredentialsBuilder().
		WithAk(c.AccessKey).WithSk(c.SecretKey).WithProjectId(c.Project).SafeBuild()
	if err != nil {
		return nil, fmt.Errorf("recognition credentials: %w", err)
	}
	pool := transport()
	http, err := image.ImageClientBuilder().
		WithEndpoints([]string{c.Endpoint}).
		WithCredential(credentials).
		WithHttpConfig(config.DefaultHttpConfig().WithTimeout(c.Timeout).WithHttpTransport(pool)).
		SafeBuild()
	if err != nil {
		return nil, fmt.Errorf("recognition client: %w", err)
	}
	return &Recognition{image.NewImageClient(http.WithExtraHeaders(c.Headers)), pool}, nil
}

// Close drops the idle connections.
func (r *Recognition) Close() { r.pool.CloseIdleConnections() }

// TagOptions are the optional members of a tagging request.
type TagOptions struct {
	Language  string   // zh or en; the vendor's default is zh
	Threshold *float32 // 0–100
	Limit     *int32
	URL       string // sent in place of the picture
}

// Tag is one tag of an answer. Confidence is a decimal string from 0 to 100.
type Tag struct{ Name, Type, Confidence string }

// Tag calls RunImageTagging on a PNG or JPEG file.
func (r *Recognition) Tag(file []byte, o TagOptions) ([]Tag, Outcome) {
	body := &model.ImageTaggingReq{Threshold: o.Threshold, Limit: o.Limit, Language: set(o.Language), Url: set(o.URL)}
	if o.URL == "" {
		body.Image = encoded(file)
	}
	response, err := r.client.RunImageTagging(&model.RunImageTaggingRequest{Body: body})
	if err != nil || response.Result == nil {
		return nil, failed(err)
	}
	var tags []Tag
	for _, t := range get(response.Result.Tags) {
		tags = append(tags, Tag{get(t.Tag), get(t.Type), get(t.Confidence)})
	}
	return tags, Outcome{OK: true, Status: response.HttpStatusCode}
}

// TagMedia calls RunImageMediaTagging.
func (r *Recognition) TagMedia(file []byte, o TagOptions) ([]Tag, Outcome) {
	response, err := r.client.RunImageMediaTagging(&model.RunImageMediaTaggingRequest{Body: &model.ImageMediaTaggingReq{
		Image: encoded(file), Threshold: o.Threshold, Limit: o.Limit, Language: set(o.Language)}})
	if err != nil || response.Result == nil {
		return nil, failed(err)
	}
	var tags []Tag
	for _, t := range get(response.Result.Tags) {
		tags = append(tags, Tag{get(t.Tag), get(t.Type), get(t.Confidence)})
	}
	return tags, Outcome{OK: true, Status: response.HttpStatusCode}
}

// Locate calls RunImageMediaTaggingDet and gives the tags that have a place.
func (r *Recognition) Locate(file []byte, o TagOptions) ([]Tag, Outcome) {
	response, err := r.client.RunImageMediaTaggingDet(&model.RunImageMediaTaggingDetRequest{Body: &model.ImageMediaTaggingDetReq{
		Image: encoded(file), Threshold: o.Threshold, Limit: o.Limit, Language: set(o.Language)}})
	if err != nil || response.Result == nil {
		return nil, failed(err)
	}
	var tags []Tag
	for _, t := range get(response.Result.Tags) {
		if len(get(t.Instances)) > 0 {
			tags = append(tags, Tag{get(t.Tag), get(t.Type), get(t.Confidence)})
		}
	}
	return tags, Outcome{OK: true, Status: response.HttpStatusCode}
}

// Place is something found in a picture: Where has the vendor's members.
type Place struct {
	Label string
	Where map[string]any
}

// Detect calls RunImageMainObjectDetection.
func (r *Recognition) Detect(file []byte) ([]Place, Outcome) {
	response, err := r.client.RunImageMainObjectDetection(&model.RunImageMainObjectDetectionRequest{
		Body: &model.ImageMainObjectDetectionReq{Image: encoded(file)}})
	if err != nil || response.Result == nil {
		return nil, failed(err)
	}
	var places []Place
	for _, o := range *response.Result {
		where, _ := get(o.Location).(map[string]any)
		places = append(places, Place{get(o.Label), where})
	}
	return places, Outcome{OK: true, Status: response.HttpStatusCode}
}

// Celebrities calls RunCelebrityRecognition.
func (r *Recognition) Celebrities(file []byte) ([]Place, Outcome) {
	response, err := r.client.RunCelebrityRecognition(&model.RunCelebrityRecognitionRequest{
		Body: &model.CelebrityRecognitionReq{Image: encoded(file)}})
	if err != nil || response.Result == nil {
		return nil, failed(err)
	}
	var places []Place
	for _, c := range *response.Result {
		where, _ := get(c.FaceDetail).(map[string]any)
		places = append(places, Place{get(c.Label), where})
	}
	return places, Outcome{OK: true, Status: response.HttpStatusCode}
}

// failed reads the SDK's error. Without one the SDK took a failure under
// status 200 for a success, and only the missing result gives it away.
func failed(err error) Outcome {
	var service *sdkerr.ServiceResponseError
	switch {
	case err == nil:
		return Outcome{Status: http.StatusOK, Message: "the SDK reports success without a result"}
	case errors.As(err, &service):
		return Outcome{Status: service.StatusCode, Code: service.ErrorCode, Message: service.ErrorMessage, Err: err}
	}
	return Outcome{Message: err.Error(), Err: err}
}

func encoded(file []byte) *string {
	text := base64.StdEncoding.EncodeToString(file)
	return &text
}

// set is a pointer to text, or nil for none: the SDK's way to leave out.
func set(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// get is what an optional member holds, or its zero value.
func get[V any](member *V) (value V) {
	if member != nil {
		value = *member
	}
	return value
}
