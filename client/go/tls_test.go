package ferrymq

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/ferrymq/ferrymq/client/go/ferrymqv1"
)

// authority is a certificate authority of one test's own.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) authority {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "a test's authority"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	key := newKey(t)
	return authority{sign(t, template, template, key, key), key}
}

// server is a certificate for 127.0.0.1.
func (a authority) server(t *testing.T) tls.Certificate {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "broker"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: a.certificate.NotBefore, NotAfter: a.certificate.NotAfter, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	key := newKey(t)
	return tls.Certificate{Certificate: [][]byte{sign(t, template, a.certificate, key, a.key).Raw}, PrivateKey: key}
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func sign(t *testing.T, template, parent *x509.Certificate, key, by *ecdsa.PrivateKey) *x509.Certificate {
	t.Helper()
	signed, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, by)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(signed)
	if err != nil {
		t.Fatal(err)
	}
	return certificate
}

// serveTLS starts a fake behind TLS, as a proxy would show it, and returns its URL.
func serveTLS(t *testing.T, certificate tls.Certificate) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(grpc.Creds(credentials.NewServerTLSFromCert(&certificate)))
	ferrymqv1.RegisterMessagingServiceServer(server, &fake{publish: func(_ int, stream publishStream) error { return confirmAll(stream) }})
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	return "https://" + listener.Addr().String()
}

// publishOver makes a call to the broker at a URL, and publishes one message on a stream.
func publishOver(t *testing.T, url string, options ...Option) error {
	t.Helper()
	client, err := Connect(url, options...)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close(within(t)) }()
	if _, err := client.Messaging().GetServerInfo(within(t), &ferrymqv1.GetServerInfoRequest{}); err != nil {
		return err
	}
	_, err = publish(t, client.Publisher(Topic("orders")), "hello")[0].Result(within(t))
	return err
}

func TestAnAuthorityOfTheProgramsOwnIsTrustedWhereItIsGiven(t *testing.T) {
	own := newAuthority(t)
	roots := x509.NewCertPool()
	roots.AddCert(own.certificate)
	trusting := WithDialOptions(grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{RootCAs: roots})))
	if err := publishOver(t, serveTLS(t, own.server(t)), trusting); err != nil {
		t.Error(err)
	}
	if err := publishOver(t, serveTLS(t, newAuthority(t).server(t)), trusting); !errors.Is(err, ErrUnavailable) {
		t.Errorf("trusted another: %v", err)
	}
}

// Set for the program that [TestTheSystemsAuthoritiesAreTrusted] starts: the URL it publishes to.
const tlsURL = "FERRYMQ_TEST_TLS_URL"

func TestTheSystemsAuthoritiesAreTrusted(t *testing.T) {
	if url := os.Getenv(tlsURL); url != "" {
		if err := publishOver(t, url); err != nil {
			t.Fatal(err)
		}
		return
	}
	own := newAuthority(t)
	file := filepath.Join(t.TempDir(), "authority.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: own.certificate.Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	url := serveTLS(t, own.server(t))
	// Go reads the system's authorities once: a program of its own has them, or has them not.
	if output, err := publishInAProgram(url, "SSL_CERT_FILE="+file); err != nil {
		t.Errorf("%v: %s", err, output)
	}
	if output, err := publishInAProgram(url); err == nil || !strings.Contains(output, "certificate") {
		t.Errorf("trusted an unknown authority: %s", output)
	}
}

func publishInAProgram(url string, environment ...string) (string, error) {
	program := exec.Command(os.Args[0], "-test.run=^TestTheSystemsAuthoritiesAreTrusted$")
	program.Env = append(append(os.Environ(), tlsURL+"="+url), environment...)
	output, err := program.CombinedOutput()
	return string(output), err
}
