package web

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tallygate/tallygate/account"
)

func (h *handlers) registerImages() {
	register(h, get("get-images", "/accounts/{account}/instances/{instance}/images", "Show how many images an instance holds"), h.images)
	reconcile := post("reconcile-images", reconcilePath, "Hold the images against the upstream's list")
	reconcile.DefaultStatus = http.StatusOK
	reconcile.Description = "The body is the upstream's list of the instance's images, of any size. What is missing here is added, what the " +
		"upstream lacks is removed, and what was uncertain is settled (D28). Repeating it does no harm. As text/csv, a line is " +
		"product,picture (RFC 4180; say header=present or header=absent as the type's parameter if the first line could be a header). " +
		"As application/x-ndjson it is {\"product\":\"…\",\"picture\":\"…\"}."
	text := &huma.MediaType{Schema: &huma.Schema{Type: huma.TypeString}}
	reconcile.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{typeCSV: text, typeNDJSON: text}}
	register(h, reconcile, h.reconcileImages)
}

const reconcilePath = "/accounts/{account}/instances/{instance}/images/reconcile"

// The types of a list of images. Like application/json, no form and no script of
// another site's page can send them unasked.
const (
	typeCSV    = "text/csv"
	typeNDJSON = "application/x-ndjson"

	takesLists = http.MethodPost + " " + Root + reconcilePath // the route's pattern
	listTypes  = "the list must be " + typeCSV + ", with the parameter header=present, header=absent or none, or " + typeNDJSON
)

// Images are what an instance holds.
type Images struct {
	Account   string `json:"account"`
	Instance  string `json:"instance"`
	Images    int64  `json:"images" doc:"Held (D28)"`
	Uncertain int64  `json:"uncertain" doc:"Of unknown outcome: they occupy capacity until they are reconciled (D28)"`
	MaxImages int64  `json:"max_images" doc:"0 while no term is in force"`
}

func (h *handlers) images(_ context.Context, in *struct{ OnInstance }) (*body[Images], error) {
	a, err := h.gateway.Engine().Account(in.Account)
	if err != nil {
		return nil, err
	}
	i := a.InstanceNamed(in.Instance)
	if i == nil {
		return nil, noInstance(a, in.Instance)
	}
	return &body[Images]{Images{a.ID, i.Name, i.Images, i.Uncertain, a.MaxImages(i.Name, h.gateway.Now().Unix())}}, nil
}

func noInstance(a *account.Account, name string) error {
	return &account.Error{Why: account.NotFound, Field: "instance", Text: fmt.Sprintf("account %s has no instance %q", a.ID, name)}
}

// ImageName is what the ledger knows a product or picture by.
func ImageName(name string) [16]byte {
	hash := sha256.Sum256([]byte(name))
	return [16]byte(hash[:16])
}

// ImageUpload is a list of images that is read as it comes.
type ImageUpload struct {
	contentType string
	content     io.Reader
}

// Resolve is called by the framework, which would hold a body in memory.
func (u *ImageUpload) Resolve(ctx huma.Context) []error {
	u.contentType = ctx.Header("Content-Type")
	u.content = patientReader{ctx.BodyReader(), ctx.SetReadDeadline}
	return nil
}

// patience is how long a client may rest while it sends.
const patience = time.Minute

// patientReader lets a body take the time it needs while it goes on: servers
// bound the time for a whole request, Caddy's admin endpoint to ten seconds.
type patientReader struct {
	io.Reader
	deadline func(time.Time) error
}

func (p patientReader) Read(data []byte) (int, error) {
	p.deadline(time.Now().Add(patience)) // where there is none to move there is no hurry
	return p.Reader.Read(data)
}

func (h *handlers) reconcileImages(ctx context.Context, in *struct {
	OnInstance
	Reason string `query:"reason" required:"true" minLength:"1" maxLength:"200" doc:"Why, for the account's events"`
	Empty  bool   `query:"empty" doc:"The upstream really holds nothing: an empty list removes all images"`
	ImageUpload
}) (*body[account.ReconcileAnswer], error) {
	read, err := imageLines(in.contentType, in.content)
	if err != nil {
		return nil, err
	}
	first, err := read()
	switch {
	case err == io.EOF && !in.Empty:
		return nil, invalid("body", "the list is empty, which would remove every image of %s: say empty=true if the upstream holds none", in.Instance)
	case err != nil && err != io.EOF:
		return nil, err
	}
	none := err == io.EOF
	answer, err := h.gateway.Engine().ReconcileImages(ctx, in.Account, in.Instance, in.Reason, func(yield func(account.Image, error) bool) {
		for image, err := first, error(nil); !none; image, err = read() {
			if err == io.EOF || !yield(image, err) || err != nil {
				return
			}
		}
	})
	return &body[account.ReconcileAnswer]{answer}, err
}

// imageReader gives the next image of a list, io.EOF after the last one.
type imageReader func() (account.Image, error)

// badLine refuses what a line of the list says, or that it cannot be read.
func badLine(line int, err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, os.ErrDeadlineExceeded) {
		return newProblem(http.StatusBadRequest, fmt.Sprintf("the list breaks off in line %d, and nothing was done: send all of it", line))
	}
	return invalid("body", "line %d: %v", line, err)
}
