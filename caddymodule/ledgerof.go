package caddymodule

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
)

// LedgerOf finds in a Caddy configuration (JSON) where its ledger is, and its
// anchor, "" where there is none.
func LedgerOf(config []byte) (folder, anchor string, err error) {
	var parts struct {
		Apps struct {
			Tallygate *App `json:"tallygate"`
		} `json:"apps"`
	}
	if err := json.Unmarshal(config, &parts); err != nil {
		return "", "", fmt.Errorf("reading the configuration: %w", err)
	}
	a := parts.Apps.Tallygate
	if a == nil {
		return "", "", errors.New("the configuration has no tallygate option: it names no ledger")
	}
	if err := a.expand(); err != nil {
		return "", "", err
	}
	folder, err = filepath.Abs(a.ledgerDir())
	return folder, a.Anchor, err
}
