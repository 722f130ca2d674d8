package main

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"math/rand"
	"mime"
	"net/http"
	"strconv"
	"sync"
	"time"
	"unicode/utf8"
)

var (
	errNotUTF8  = errors.New("the body is not UTF-8")
	errNoObject = errors.New("a report is a JSON object")
	errReserved = errors.New(`the member "_received" is the server's to write`)
)

// A reader appends one report to lines, stamped and on a line of its own.
type reader func(report []byte, stamp string, lines *bytes.Buffer) error

// decoded is how such a server is usually written: into a map and out again. It
// does not keep the order of the members.
func decoded(report []byte, stamp string, lines *bytes.Buffer) error {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(report, &members); err != nil {
		return err
	}
	if members == nil {
		return errNoObject
	}
	if _, there := members["_received"]; there {
		return errReserved
	}
	members["_received"] = json.RawMessage(stamp)
	line, err := json.Marshal(members)
	if err != nil {
		return err
	}
	lines.Write(line)
	lines.WriteByte('\n')
	return nil
}

// spliced does as little as the standard library lets it: one pass that checks the
// grammar and drops whitespace, and the stamp put in front.
func spliced(report []byte, stamp string, lines *bytes.Buffer) error {
	if !utf8.Valid(report) {
		return errNotUTF8
	}
	report = bytes.TrimLeft(report, " \t\r\n")
	if len(report) == 0 || report[0] != '{' {
		return errNoObject
	}
	// Names with escapes are as rare as this one, and decoding finds both.
	if bytes.Contains(report, []byte("_received")) || bytes.Contains(report, []byte(`\u`)) {
		var members struct {
			Received json.RawMessage `json:"_received"`
		}
		if err := json.Unmarshal(report, &members); err != nil {
			return err
		}
		if members.Received != nil {
			return errReserved
		}
	}
	before := lines.Len()
	lines.WriteString(`{"_received":`)
	lines.WriteString(stamp)
	brace := lines.Len()
	if err := json.Compact(lines, report); err != nil {
		lines.Truncate(before)
		return err
	}
	compact := lines.Bytes()[brace:]
	if len(compact) > 2 {
		compact[0] = ','
	} else {
		lines.Truncate(brace)
		lines.WriteByte('}')
	}
	lines.WriteByte('\n')
	return nil
}

var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// post takes one report, or one on each line of NDJSON.
func (c *collector) post(w http.ResponseWriter, r *http.Request) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" && kind != "application/x-ndjson" && kind != "text/plain" {
		answer(w, http.StatusUnsupportedMediaType, `{"title":"type"}`)
		return
	}
	body := buffers.Get().(*bytes.Buffer)
	lines := buffers.Get().(*bytes.Buffer)
	defer buffers.Put(body)
	defer buffers.Put(lines)
	body.Reset()
	lines.Reset()
	if _, err := io.Copy(body, http.MaxBytesReader(w, r.Body, maxBodyBytes)); err != nil {
		answer(w, http.StatusRequestEntityTooLarge, `{"title":"too large"}`)
		return
	}
	now := time.Now()
	reports := [][]byte{body.Bytes()}
	if kind == "application/x-ndjson" {
		reports = bytes.Split(bytes.TrimRight(body.Bytes(), "\n"), []byte("\n"))
	}
	for _, report := range reports {
		if err := c.read(report, stamp(now), lines); err != nil {
			refuse(w, err)
			return
		}
	}
	c.keep(lines.Bytes(), now)
	answer(w, http.StatusAccepted, `{"accepted":`+strconv.Itoa(len(reports))+`}`)
}

func refuse(w http.ResponseWriter, err error) {
	status := http.StatusBadRequest
	if err == errNoObject || err == errReserved {
		status = http.StatusUnprocessableEntity
	}
	detail, _ := json.Marshal(err.Error())
	answer(w, status, `{"title":"report","detail":`+string(detail)+`}`)
}

// stamp is the value of `_received`: the time, and a UUIDv7 (RFC 9562).
func stamp(now time.Time) string {
	var id [16]byte
	binary.BigEndian.PutUint64(id[:], uint64(now.UnixMilli())<<16|7<<12|uint64(rand.Intn(1<<12)))
	binary.BigEndian.PutUint64(id[8:], rand.Uint64()>>2|1<<63)
	text := make([]byte, 0, 80)
	text = append(text, `{"at":"`...)
	text = now.UTC().AppendFormat(text, "2006-01-02T15:04:05.000Z")
	text = append(text, `","id":"`...)
	var digits [32]byte
	hex.Encode(digits[:], id[:])
	for at, end := range []int{8, 12, 16, 20, 32} {
		if at > 0 {
			text = append(text, '-')
		}
		text = append(text, digits[[]int{0, 8, 12, 16, 20}[at]:end]...)
	}
	return string(append(text, `"}`...))
}
