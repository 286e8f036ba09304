package clients

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/aliyun/alibaba-cloud-sdk-go/sdk"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/auth/credentials"
	sdkerrors "github.com/aliyun/alibaba-cloud-sdk-go/sdk/errors"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/requests"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/responses"
	"github.com/aliyun/alibaba-cloud-sdk-go/services/imagesearch"
)

// Search calls the search service through alibaba-cloud-sdk-go. The SDK writes
// to its own client on every call: use one Search for each goroutine.
type Search struct {
	config Config
	client *imagesearch.Client
	domain string
	port   string
	pool   *http.Transport
}

// NewSearch makes a client. Nothing is sent before the first call.
func NewSearch(c Config) (*Search, error) {
	c = c.withDefaults()
	endpoint, err := url.Parse(c.Endpoint)
	if err != nil {
		return nil, fmt.Errorf("search endpoint: %w", err)
	}
	pool := transport()
	options := sdk.NewConfig().WithTimeout(c.Timeout).WithHttpTransport(pool)
	client, err := imagesearch.NewClientWithOptions("cn-test", options,
		credentials.NewAccessKeyCredential(c.AccessKey, c.SecretKey))
	if err != nil {
		return nil, fmt.Errorf("search client: %w", err)
	}
	return &Search{c, client, endpoint.Hostname(), endpoint.Port(), pool}, nil
}

// Close drops the idle connections.
func (s *Search) Close() { s.pool.CloseIdleConnections() }

// Add calls AddImage with a PNG or JPEG file.
func (s *Search) Add(instance, product, name string, file []byte) Outcome {
	request := imagesearch.CreateAddImageRequest()
	s.aim(request.RoaRequest)
	request.InstanceName, request.ProductId, request.PicName = instance, product, name
	request.PicContent = base64.StdEncoding.EncodeToString(file)
	response, err := s.client.AddImage(request)
	return outcome(err, response.BaseResponse, response.Success, response.Code, response.Message)
}

// Delete calls DeleteImage; an empty name deletes the whole product.
func (s *Search) Delete(instance, product, name string) Outcome {
	request := imagesearch.CreateDeleteImageRequest()
	s.aim(request.RoaRequest)
	request.InstanceName, request.ProductId, request.PicName = instance, product, name
	response, err := s.client.DeleteImage(request)
	return outcome(err, response.BaseResponse, response.Success, response.Code, response.Message)
}

// Match is one picture that a search found.
type Match struct{ Product, Name string }

// Search calls SearchImage and gives at most num matches, nearest first.
func (s *Search) Search(instance string, file []byte, num int) ([]Match, Outcome) {
	request := imagesearch.CreateSearchImageRequest()
	request.PicContent = base64.StdEncoding.EncodeToString(file)
	return s.search(request, instance, num)
}

// SearchName calls SearchImage for what resembles a picture added before.
func (s *Search) SearchName(instance, product, name string, num int) ([]Match, Outcome) {
	request := imagesearch.CreateSearchImageRequest()
	request.Type, request.ProductId, request.PicName = "SearchByName", product, name
	return s.search(request, instance, num)
}

func (s *Search) search(request *imagesearch.SearchImageRequest, instance string, num int) ([]Match, Outcome) {
	s.aim(request.RoaRequest)
	request.InstanceName, request.Num = instance, requests.NewInteger(num)
	response, err := s.client.SearchImage(request)
	var matches []Match
	for _, a := range response.Auctions {
		matches = append(matches, Match{a.ProductId, a.PicName})
	}
	return matches, outcome(err, response.BaseResponse, response.Success, response.Code, response.Msg)
}

// aim points a request at the endpoint over plain HTTP.
func (s *Search) aim(request *requests.RoaRequest) {
	request.Scheme, request.Domain, request.Port = "HTTP", s.domain, s.port
	for name, value := range s.config.Headers {
		request.Headers[name] = value
	}
}

// outcome reads what the SDK left: its error, or the members of the answer.
func outcome(err error, base *responses.BaseResponse, success bool, code int, message string) Outcome {
	o := Outcome{Status: base.GetHttpStatus(), Header: base.GetHttpHeaders(), Err: err}
	var server *sdkerrors.ServerError
	switch {
	case errors.As(err, &server):
		o.Code, o.Message = server.ErrorCode(), server.Message()
	case err != nil:
		o.Message = err.Error()
	case !success || code != 0:
		o.Code, o.Message = strconv.Itoa(code), message
	default:
		o.OK = true
	}
	return o
}
