package load

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
)

// http2 is a stream of the one connection that the clients of a site share.
type http2 struct {
	client  *http.Client
	url     string
	request Request
}

// HTTP2 connects clients to an address over one connection of HTTP/2 without TLS.
func HTTP2(address string, clients int, request Request) Crowd {
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	client := &http.Client{Timeout: patience, Transport: &http.Transport{Protocols: &protocols, DisableCompression: true}}
	var crowd Crowd
	for range clients {
		crowd = append(crowd, &http2{client, "http://" + address + request.Path, request})
	}
	return crowd
}

func (c *http2) Close() error {
	c.client.CloseIdleConnections()
	return nil
}

func (c *http2) Do() error {
	req, err := http.NewRequest(http.MethodPost, c.url, bytes.NewReader(c.request.Body()))
	if err != nil {
		return err
	}
	req.Header["X-Api-Key"] = []string{c.request.Key}
	req.Header["Content-Type"] = []string{c.request.Type}
	resp, err := c.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK || resp.ProtoMajor != 2 {
		body, _ := io.ReadAll(io.LimitReader(resp.Body, 1000)) // to be shown only
		return fmt.Errorf("the answer is %s %s: %s", resp.Proto, resp.Status, body)
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}
