package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"

	"github.com/tallygate/tallygate/integration/pictures"
)

// demo makes the accounts and the files that the examples use.
type demo struct {
	options
	dir  string            // of keys and pictures
	keys map[string]string // by account
}

func (d *demo) api(path string) string  { return "http://" + d.admin + "/tallygate" + path }
func (d *demo) call(path string) string { return "http://" + d.site + path }

// planned is what a demo account is.
type planned struct {
	account, topup, row string
	trial               bool // of the row
	late                bool // it owes for what it used
}

var plan = []planned{
	{account: "demo-tagging", topup: "100.00"},
	{account: "demo-search", topup: "1000.00", row: "s2500k-5"},
	{account: "demo-small", topup: "1000.00", row: "s100k-1", trial: true},
	{account: "demo-late", late: true},
}

func (d *demo) prepare(ctx context.Context) error {
	if err := d.writePictures(); err != nil {
		return err
	}
	file := filepath.Join(d.dir, "keys.json")
	text, err := os.ReadFile(file)
	if err == nil {
		return json.Unmarshal(text, &d.keys)
	}
	if !errors.Is(err, os.ErrNotExist) {
		return err
	}
	d.keys = make(map[string]string)
	for _, p := range plan {
		fmt.Println("creating", p.account)
		if err := d.create(ctx, p); err != nil {
			return fmt.Errorf("account %s: %w (remove the folder %s to begin anew)", p.account, err, d.data)
		}
		if p.late {
			if err := d.overdraw(ctx, p.account); err != nil {
				return err
			}
		}
	}
	text, err = json.MarshalIndent(d.keys, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(file, text, 0o600)
}

// create opens an account, pays into it, and keeps its key. An account of an
// earlier, interrupted run is taken as it is, but for a new key.
func (d *demo) create(ctx context.Context, p planned) error {
	id, at := p.account, "/accounts/"+p.account
	if err := d.post(ctx, "/accounts", "demo-create-"+id, map[string]any{"account": id}, nil); err != nil {
		return err
	}
	var key struct{ Secret string }
	if err := d.post(ctx, at+"/keys", "", map[string]any{"kind": "secret", "label": "demo"}, &key); err != nil {
		return err
	}
	d.keys[id] = key.Secret
	if p.topup != "" {
		if err := d.post(ctx, at+"/topups", "demo-topup-"+id, map[string]any{"amount": p.topup, "reference": "demo"}, nil); err != nil {
			return err
		}
	}
	if p.row != "" {
		return d.post(ctx, at+"/subscriptions", "demo-subscribe-"+id, map[string]any{"instance": "demo", "row": p.row, "trial": p.trial}, nil)
	}
	return nil
}

// overdraw uses more than is free and settles: the account owes a little.
func (d *demo) overdraw(ctx context.Context, id string) error {
	picture, err := os.ReadFile(filepath.Join(d.dir, "tagging.json"))
	if err != nil {
		return err
	}
	for range 1_010 {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.call("/v2/demo/image/tagging"), bytes.NewReader(picture))
		if err != nil {
			return err
		}
		req.Header.Set("X-Api-Key", d.keys[id])
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		resp.Body.Close()
		if resp.StatusCode == http.StatusPaymentRequired {
			return nil
		}
	}
	return d.post(ctx, "/settle", "", map[string]any{}, nil)
}

// writePictures writes a picture in both vendors' request formats.
func (d *demo) writePictures() error {
	picture := base64.StdEncoding.EncodeToString(pictures.PNG(pictures.Shapes(160, 120, 7)))
	form := url.Values{"InstanceName": {"demo"}, "PicName": {"shapes.png"}, "ProductId": {"p-1"}, "PicContent": {picture}}
	for name, data := range map[string][]byte{
		"tagging.json": fmt.Appendf(nil, `{"image":%q,"limit":5}`, picture),
		"search.form":  []byte(form.Encode()),
	} {
		if err := os.WriteFile(filepath.Join(d.dir, name), data, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// post sends a command to the admin API.
func (d *demo) post(ctx context.Context, path, key string, body, out any) error {
	data, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.api(path), bytes.NewReader(data))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	var answer bytes.Buffer
	if _, err := answer.ReadFrom(resp.Body); err != nil {
		return err
	}
	if resp.StatusCode >= 300 {
		return fmt.Errorf("%s: %s: %s", path, resp.Status, answer.String())
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(answer.Bytes(), out)
}
