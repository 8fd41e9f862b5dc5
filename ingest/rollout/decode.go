package rollout

import (
	"strconv"

	"github.com/headwater-sre/headwater/ingest/body"
)

// sample is one sample of an instant vector.
type sample struct {
	labels map[string]string
	value  float64
}

// decodeVector decodes the answer of Prometheus's GET /api/v1/query to a query that
// yields an instant vector. The error is a [*body.Error].
func decodeVector(text []byte) (samples []sample, err error) {
	r := body.NewReader(text)
	start := r.Offset()
	var status, kind, problem string
	err = r.Object(func(key string) error {
		switch key {
		case "status":
			return r.Text(&status)()
		case "error":
			return r.Text(&problem)()
		case "data":
			return r.Fields(body.Fields{"resultType": r.Text(&kind), "result": func() error {
				samples, err = readSamples(r)
				return err
			}})
		}
		return r.Skip()
	})
	if err == nil {
		err = r.End()
	}
	switch {
	case err != nil:
		return nil, err
	case status != "success":
		return nil, body.Within("status", r.Errorf(start, "want success, got %s: %s", body.Quote(status), problem))
	case kind != "vector":
		return nil, body.Within("data.resultType", r.Errorf(start, "want vector, got %s", body.Quote(kind)))
	}
	return samples, nil
}

func readSamples(r *body.Reader) (samples []sample, err error) {
	err = r.Array(func(int) error {
		s := sample{labels: map[string]string{}}
		err := r.Fields(body.Fields{
			"metric": func() error {
				return r.Object(func(name string) (err error) {
					s.labels[name], err = r.String()
					return err
				})
			},
			"value": func() error {
				return r.Array(func(i int) error {
					if i != 1 {
						return r.Skip()
					}
					at := r.Offset()
					text, err := r.String()
					if err != nil {
						return err
					}
					if s.value, err = strconv.ParseFloat(text, 64); err != nil {
						return r.Errorf(at, "want a number in quotes, got %s", body.Quote(text))
					}
					return nil
				})
			},
		})
		samples = append(samples, s)
		return err
	})
	return samples, err
}
