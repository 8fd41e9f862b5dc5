package page

import (
	"context"
	"fmt"
	"net"
	"reflect"

	amconfig "github.com/prometheus/alertmanager/config"
	httpconfig "github.com/prometheus/common/config"
)

// StandIns take pages in place of a configuration's receivers.
type StandIns struct {
	// Dial connects to the stand-in of a receiver, whatever address its integration has.
	// The stand-in speaks HTTP, or TLS with any certificate when that is what it hears.
	Dial func(ctx context.Context, receiver string) (net.Conn, error)
	// Mail is the address, host:port, of a mail server for a receiver.
	Mail func(receiver string) string
}

// Redirect has every integration and every status page deliver to stand-ins, so that a pager with c reaches
// nobody else. It changes c, and comes before [New] and [Pager.Reload]. The error names
// an integration whose library would go its own way.
func (c *Config) Redirect(to StandIns) error {
	c.standIns = &to
	ownClients(reflect.ValueOf(c.statusPages))
	if c.LogOnly() {
		return nil
	}
	for i := range c.alertmanager.Receivers {
		r := &c.alertmanager.Receivers[i]
		if len(r.SNSConfigs) > 0 {
			return fmt.Errorf("receiver %q: sns_configs cannot be redirected; leave the receiver without it, or route past it", r.Name)
		}
		ownClients(reflect.ValueOf(r))
		for _, mail := range r.EmailConfigs {
			if err := redirectMail(mail, to.Mail(r.Name)); err != nil {
				return fmt.Errorf("receiver %q: %w", r.Name, err)
			}
		}
	}
	return nil
}

// Addressees are the names that [StandIns] are asked for: the receivers' and, when there are
// status pages, one for these.
func (c *Config) Addressees() []string {
	names := c.Receivers()
	if len(c.statusPages) > 0 {
		names = append(names, statusReceiver)
	}
	return names
}

// ownClients gives each integration below v an HTTP client that asks nobody else: no
// proxy, no token server, no certificate authority.
func ownClients(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			ownClients(v.Elem())
		}
	case reflect.Slice:
		for i := range v.Len() {
			ownClients(v.Index(i))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Field(i)
			switch {
			case !v.Type().Field(i).IsExported():
			case f.Type() == reflect.TypeFor[*httpconfig.HTTPClientConfig]():
				own := plainClient()
				f.Set(reflect.ValueOf(&own))
			case f.Type() == reflect.TypeFor[httpconfig.HTTPClientConfig]():
				f.Set(reflect.ValueOf(plainClient()))
			default:
				ownClients(f)
			}
		}
	}
}

func plainClient() httpconfig.HTTPClientConfig {
	own := httpconfig.DefaultHTTPClientConfig
	own.TLSConfig.InsecureSkipVerify = true
	return own
}

func redirectMail(mail *amconfig.EmailConfig, address string) error {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("mail server %q: %w", address, err)
	}
	no := false
	mail.Smarthost = amconfig.HostPort{Host: host, Port: port}
	mail.AuthUsername, mail.RequireTLS, mail.ForceImplicitTLS = "", &no, &no
	return nil
}

// clientOptions are how a receiver's HTTP clients connect.
func (c *Config) clientOptions(receiver string) []httpconfig.HTTPClientOption {
	if c.standIns == nil {
		return nil
	}
	dial := c.standIns.Dial
	return []httpconfig.HTTPClientOption{
		httpconfig.WithDialContextFunc(func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx, receiver) }),
	}
}
