package web

import (
	"context"
	"encoding/hex"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tallygate/tallygate/ledger/journal"
)

const typeBinary = "application/octet-stream"

func (h *handlers) registerBackup() {
	op := get("make-backup", "/backup", "Back up journal and sealed files")
	op.Description = "Answers with a file as `tallygate backup` writes it, while the gateway goes on. Without query it is a full backup, " +
		"with all three parameters it holds what came since an earlier one. Where the file has no trailer it is none; then it ends with why. " +
		"Calls of the period that is still open are not in it: settle first."
	op.Responses = map[string]*huma.Response{"200": {Description: http.StatusText(http.StatusOK),
		Content: map[string]*huma.MediaType{typeBinary: {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}}}}}
	register(h, op, h.backup)
}

func (h *handlers) backup(ctx context.Context, in *struct {
	Ledger string `query:"ledger" maxLength:"64" doc:"Id of the ledger that the earlier backup is of"`
	Seq    uint64 `query:"seq" doc:"Its last record"`
	Hash   string `query:"hash" maxLength:"64" pattern:"^([0-9a-f]{64})?$" doc:"The hash of that record"`
}) (*huma.StreamResponse, error) {
	since := journal.Head{Seq: in.Seq}
	hash, err := hex.DecodeString(in.Hash)
	if given := in.Hash != ""; err != nil || given != (in.Seq > 0) || given != (in.Ledger != "") {
		return nil, invalid("hash", "give ledger, seq and hash of the earlier backup, or none of them")
	}
	copy(since.Hash[:], hash)
	b, err := h.gateway.Engine().Backup(in.Ledger, since)
	if err != nil {
		return nil, err
	}
	return &huma.StreamResponse{Body: func(out huma.Context) {
		out.SetHeader("Content-Type", typeBinary)
		b.Write(ctx, out.BodyWriter()) // what fails is said in the file
	}}, nil
}
