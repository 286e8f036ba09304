package web_test

import (
	"fmt"
	"strings"
	"testing"
)

// checkPreview: what has a preview needs an idempotency key, and the preview
// takes none.
func checkPreview(t *testing.T, op, paths map[string]any) {
	t.Helper()
	key := ""
	list, _ := op["parameters"].([]any)
	for _, p := range list {
		if p := p.(map[string]any); p["name"] == "Idempotency-Key" {
			key = fmt.Sprint(p["required"])
		}
	}
	path := op["path"].(string)
	_, hasPreview := paths[path+"/preview"]
	if strings.HasSuffix(path, "/preview") && key != "" || hasPreview && key != "true" {
		t.Errorf("%s: the key is %q", path, key)
	}
}

func TestDescription(t *testing.T) {
	t.Parallel()
	a := call(t, start(t), "GET /openapi.json", "")
	if a.at("openapi") != "3.1.0" {
		t.Errorf("version %s", a.at("openapi"))
	}
	for _, path := range []string{"/accounts", "/accounts/{account}", "/accounts/{account}/keys", "/accounts/{account}/keys/{key}",
		"/accounts/{account}/topups", "/accounts/{account}/packages", "/accounts/{account}/subscriptions", "/accounts/{account}/usage",
		"/accounts/{account}/statements", "/accounts/{account}/statements/{month}", "/accounts/{account}/statements/{month}/replay",
		"/accounts/{account}/adjustments", "/accounts/{account}/adjustments/preview", "/accounts/{account}/topups/preview",
		"/accounts/{account}/packages/preview", "/accounts/{account}/packages/{package}/renewals", "/accounts/{account}/packages/{package}/renewals/preview",
		"/accounts/{account}/packages/{package}/auto-renewal", "/accounts/{account}/subscriptions/preview", "/accounts/{account}/rows",
		"/accounts/{account}/instances/{instance}/renewals", "/accounts/{account}/instances/{instance}/renewals/preview",
		"/accounts/{account}/instances/{instance}/changes", "/accounts/{account}/instances/{instance}/changes/preview",
		"/accounts/{account}/instances/{instance}/images", "/accounts/{account}/instances/{instance}/images/reconcile",
		"/accounts/{account}/events", "/accounts/{account}/releases/acknowledge", "/releases", "/price", "/verify",
		"/pricebook", "/pricebook/diff", "/pricebook/schedule", "/status", "/settle", "/clock", "/clock/accept", "/clock/advance", "/refusals/{id}"} {
		if _, ok := a.body["paths"].(map[string]any)["/tallygate"+path]; !ok {
			t.Errorf("%s is not described", path)
		}
	}
	if got := a.at("components.schemas.NewTopUp.properties.amount.type"); got != "string" {
		t.Errorf("the schema of an amount is %s", got)
	}
	ids := map[string]bool{}
	for path, item := range a.body["paths"].(map[string]any) {
		for method, op := range item.(map[string]any) {
			described, _ := op.(map[string]any)
			id, _ := described["operationId"].(string)
			if summary, _ := described["summary"].(string); id == "" || ids[id] || summary == "" {
				t.Errorf("%s %s has no id of its own, or no summary", method, path)
			}
			ids[id] = true
			described["path"] = path
			checkPreview(t, described, a.body["paths"].(map[string]any))
		}
	}
	if got := a.at("components.schemas.Problem.properties.field.type"); got != "string" {
		t.Errorf("problems are described as %s", got)
	}
}
