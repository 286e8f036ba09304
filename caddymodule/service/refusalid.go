package service

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/durable"
	"github.com/tallygate/tallygate/meter"
	"github.com/tallygate/tallygate/web"
)

// refusalCodec makes refusal ids: instant, account, operation and reason, sealed
// so that clients learn nothing from them and nobody can make one up.
type refusalCodec struct{ aead cipher.AEAD }

const refusalSize = 8 + 4 + 2 + 1

func openRefusalCodec(path string) (refusalCodec, error) {
	key, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		key = make([]byte, 32)
		rand.Read(key)
		err = durable.Replace(path, key)
	}
	if err != nil {
		return refusalCodec{}, fmt.Errorf("key of refusal ids: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return refusalCodec{}, fmt.Errorf("key of refusal ids: %s: %w; remove it to get a new one", path, err)
	}
	aead, err := cipher.NewGCM(block)
	return refusalCodec{aead}, err
}

// RefusalID names a refusal, for the client to quote and the operator to decode.
func (s *Service) RefusalID(v meter.Verdict, operation uint16) string {
	nonce := make([]byte, s.refusals.aead.NonceSize(), 64)
	rand.Read(nonce)
	var b [refusalSize]byte
	binary.BigEndian.PutUint64(b[:], uint64(v.At.Event))
	binary.BigEndian.PutUint32(b[8:], v.Account)
	binary.BigEndian.PutUint16(b[12:], operation)
	b[14] = byte(v.Reason)
	return base64.RawURLEncoding.EncodeToString(s.refusals.aead.Seal(nonce, nonce, b[:], nil))
}

// ErrRefusalID: this is no refusal id, or not one of this ledger's.
var ErrRefusalID = errors.New("not a refusal id of this ledger")

// DecodeRefusal reads a refusal id.
func (s *Service) DecodeRefusal(id string) (web.Refusal, error) {
	raw, err := base64.RawURLEncoding.DecodeString(id)
	n := s.refusals.aead.NonceSize()
	if err != nil || len(raw) < n {
		return web.Refusal{}, ErrRefusalID
	}
	b, err := s.refusals.aead.Open(nil, raw[:n], raw[n:], nil)
	if err != nil || len(b) != refusalSize {
		return web.Refusal{}, ErrRefusalID
	}
	return web.Refusal{At: time.Unix(0, int64(binary.BigEndian.Uint64(b))).In(s.config.Zone),
		Account:   binary.BigEndian.Uint32(b[8:]),
		Operation: s.engine.OperationName(binary.BigEndian.Uint16(b[12:])),
		Reason:    account.Kind(b[14]).String()}, nil
}
