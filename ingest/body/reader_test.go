package body

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// read is any JSON value, read with a Reader the way encoding/json reads into an any.
func read(r *Reader) (v any, err error) {
	switch {
	case r.IsObject():
		object := map[string]any{}
		return object, r.Object(func(key string) (err error) {
			object[key], err = read(r)
			return err
		})
	case r.IsArray():
		array := []any{}
		err := r.Array(func(int) error {
			element, err := read(r)
			array = append(array, element)
			return err
		})
		return array, err
	case r.IsString():
		return r.String()
	case r.Null():
		return nil, nil
	}
	switch c := r.next(); c {
	case 't', 'f':
		return c == 't', r.Skip()
	default:
		return r.Float()
	}
}

// FuzzReader: what is accepted, and what it means, is what encoding/json says.
func FuzzReader(f *testing.F) {
	for _, seed := range []string{
		``, ` `, `null`, `nul`, `nullx`, `true`, `falsely`, `0`, `-0`, `01`, `-`, `1.`, `1.5e+10`, `1e`, `1E999`, `.5`, `""`, `"`, `"a\"b"`,
		`"\u00e9\n\/"`, `"\ud83d\ude00"`, `"\ud83d"`, `"\ud83dx"`, `"\ud83d\u0041"`, `"\ude00\ud83d"`, `"\u12"`, `"\x"`, `"\`, `"\u+123"`, "\"\x00\"", "\"\xff\xc3\"", "\"é\xff\"",
		`{}`, `{`, `{"a"}`, `{"a":}`, `{"a":1,}`, `{,}`, `{"a":1 "b":2}`, `{"a":{"b":[1,2,{"c":null}]},"a":2}`, `{a:1}`, `[]`, `[1,]`, `[,1]`, `[1 2]`, `[[[]]]`, `]`,
		" \t\r\n[ 1 , 2 ] \n", `1 2`, "1\x00", "\x00", "\xef\xbb\xbf{}", `{"a":1}}`, `{"":""}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var want any
		wantErr := json.Unmarshal(text, &want)

		r := NewReader(text)
		got, err := read(r)
		if err == nil {
			err = r.End()
		}
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("error %v, encoding/json says %v", err, wantErr)
		}
		if err == nil && !cmp.Equal(got, want) {
			t.Errorf("read (-encoding/json +ours):\n%s", cmp.Diff(want, got))
		}

		r = NewReader(text)
		err = r.Skip()
		if err == nil {
			err = r.End()
		}
		if (err == nil) != json.Valid(text) {
			t.Errorf("Skip: error %v, json.Valid says %v", err, json.Valid(text))
		}
		var e *Error
		if err != nil && (!errors.As(err, &e) || e.Line < 1 || e.Offset > len(text) || e.Line > 1+bytes.Count(text, []byte("\n"))) {
			t.Errorf("error without a place in the body: %#v", err)
		}
	})
}

func TestNestingIsBoundedAsInEncodingJSON(t *testing.T) {
	for _, depth := range []int{MaxDepth, MaxDepth + 1} {
		text := []byte(strings.Repeat("[", depth) + strings.Repeat("]", depth))
		if err := NewReader(text).Skip(); (err == nil) != json.Valid(text) {
			t.Errorf("depth %d: error %v, json.Valid says %v", depth, err, json.Valid(text))
		}
	}
}

// The error names the path, the line and what was there instead.
func TestErrorsNameTheirPlace(t *testing.T) {
	for _, tc := range []struct{ name, text, want string }{
		{"wrong type in a list of objects", "{\"alerts\": [\n{\"labels\": {\"a\": \"1\"}},\n{\"labels\": {\"job\": 7}}]}", `alerts[1].labels.job: want a string, got a number (line 3, byte 56)`},
		{"key that is no plain word", `{"alerts":[{"labels":{"a b.c":true}}]}`, `alerts[0].labels["a b.c"]: want a string, got a boolean (line 1, byte 30)`},
		{"object where a list belongs", `{"alerts":{}}`, `alerts: want an array, got an object (line 1, byte 10)`},
		{"body is no object", `[]`, `want an object, got an array (line 1, byte 0)`},
		{"body ends early", "{\"alerts\":[\n{\"labels\":{\"a\":\"b\"", `alerts[0].labels: want a comma or the end of the object, got the end of the body (line 2, byte 30)`},
		{"string without end", `{"alerts":[{"labels":{"a":"b`, `alerts[0].labels.a: the string that begins here has no end (line 1, byte 26)`},
		{"line break inside a string", "{\"alerts\":[{\"labels\":{\"a\":\"b\n\"}}]}", `alerts[0].labels.a: control character '\n' in a string: write it as an escape (line 1, byte 28)`},
		{"comma too many", `{"alerts":[{"labels":{"a":"b",}}]}`, `alerts[0].labels: want a key in double quotes, got '}' (line 1, byte 30)`},
		{"text instead of JSON", `<html>`, `want an object, got '<' (line 1, byte 0)`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := NewReader([]byte(tc.text))
			err := r.Object(func(string) error {
				return r.Array(func(int) error {
					return r.Object(func(string) error {
						return r.Object(func(string) error { _, err := r.String(); return err })
					})
				})
			})
			if err == nil || err.Error() != tc.want {
				t.Errorf("error:\n got %v\nwant %s", err, tc.want)
			}
		})
	}
}

func TestTryGoesOnBehindAValueThatIsSoundJSON(t *testing.T) {
	r := NewReader([]byte(`["a", {"deep": ["x", 1]}, "b"]`))
	var got []string
	var rejected []error
	err := r.Array(func(i int) error {
		bad, err := r.Try(func() error {
			if r.IsObject() { // fail half-way into the value
				return r.Object(func(string) error {
					return r.Array(func(int) error { _, err := r.String(); return err })
				})
			}
			s, err := r.String()
			got = append(got, s)
			return err
		})
		if bad != nil {
			rejected = append(rejected, Within("["+string(rune('0'+i))+"]", bad))
		}
		return err
	})
	if err != nil || r.End() != nil || strings.Join(got, ",") != "a,b" {
		t.Fatalf("got %q, error %v", got, err)
	}
	if len(rejected) != 1 || rejected[0].Error() != "[1].deep[1]: want a string, got a number (line 1, byte 21)" {
		t.Errorf("rejected %v", rejected)
	}
}

func TestTryGivesUpWhenTheJSONIsBroken(t *testing.T) {
	r := NewReader([]byte(`[{"a": 1, "b" }, "c"]`))
	err := r.Array(func(int) error {
		rejected, err := r.Try(func() error { _, err := r.String(); return err })
		if rejected != nil {
			t.Errorf("rejected %v: nobody knows where the next value begins", rejected)
		}
		return err
	})
	if err == nil || err.Error() != "[0]: want a colon after the key, got '}' (line 1, byte 14)" {
		t.Errorf("error %v", err)
	}
}

func TestTime(t *testing.T) {
	midnight := time.Date(2026, 1, 5, 0, 7, 22, 0, time.UTC)
	for _, tc := range []struct {
		name, text string
		want       time.Time
		wantErr    string
	}{
		{"RFC 3339", `"2026-01-05T00:07:22Z"`, midnight, ""},
		{"a zone is turned into UTC", `"2026-01-05T01:07:22+01:00"`, midnight, ""},
		{"nanoseconds", `"2026-01-05T00:07:22.000000001Z"`, midnight.Add(1), ""},
		{"null is the zero time", `null`, time.Time{}, ""},
		{"so is the empty string", `""`, time.Time{}, ""},
		{"so is Go's zero time", `"0001-01-01T00:00:00Z"`, time.Time{}, ""},
		{"no zone", `"2026-01-05 00:07:22"`, time.Time{}, "want a time such as 2026-01-05T00:07:22Z (RFC 3339), got \"2026-01-05 00:07:22\""},
		{"Unix seconds are no time", `1767571642`, time.Time{}, "want a string, got a number"},
		{"nor is prose", `"yesterday"`, time.Time{}, "want a time such as 2026-01-05T00:07:22Z (RFC 3339), got \"yesterday\""},
		{"a nanosecond count could not hold it", `"9999-12-31T23:59:59Z"`, time.Time{}, "want a time between the years 1678 and 2261, got 9999-12-31T23:59:59Z"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := NewReader([]byte(tc.text)).Time()
			if !got.Equal(tc.want) || got.Location() != time.UTC {
				t.Errorf("got %v, want %v", got, tc.want)
			}
			var e *Error
			if errors.As(err, &e); (err == nil) != (tc.wantErr == "") || err != nil && e.Reason != tc.wantErr {
				t.Errorf("error %v, want %q", err, tc.wantErr)
			}
		})
	}
}

func TestTimeInTriesMoreLayoutsAndHasNoBounds(t *testing.T) {
	for text, want := range map[string]time.Time{
		`"2026-01-05 00:07:22"`:  time.Date(2026, 1, 5, 0, 7, 22, 0, time.UTC),
		`"9999-12-31T23:59:59Z"`: time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC),
	} {
		if got, err := NewReader([]byte(text)).TimeIn(time.DateTime); err != nil || !got.Equal(want) {
			t.Errorf("%s: got %v, %v", text, got, err)
		}
	}
}

func TestInt(t *testing.T) {
	for text, want := range map[string]int{`3`: 3, `-3`: -3, `3.0`: 3, `3e2`: 300, `null`: 0} {
		if got, err := NewReader([]byte(text)).Int(); err != nil || got != want {
			t.Errorf("%s: got %d, %v", text, got, err)
		}
	}
	for _, text := range []string{`3.5`, `1e300`, `1e999`, `"3"`, `true`} {
		if got, err := NewReader([]byte(text)).Int(); err == nil {
			t.Errorf("%s: got %d, want an error", text, got)
		}
	}
}

func TestLinesAreRightInAnyOrderOfMistakes(t *testing.T) {
	r := NewReader([]byte("[\n1,\n2,\n3]"))
	for _, tc := range []struct{ offset, line int }{{2, 2}, {8, 4}, {8, 4}, {5, 3}, {0, 1}, {9, 4}} {
		if got := r.Errorf(tc.offset, "x").Line; got != tc.line {
			t.Errorf("offset %d: line %d, want %d", tc.offset, got, tc.line)
		}
	}
}

func TestTextFromTheBodyIsCutInErrors(t *testing.T) {
	long := strings.Repeat("x", 1<<20)
	r := NewReader([]byte(`{"` + long + `": "` + long + `"}`))
	err := r.Object(func(string) error { _, err := r.Time(); return err })
	if err == nil || len(err.Error()) > 300 {
		t.Errorf("error of %d bytes", len(err.Error()))
	}
}
