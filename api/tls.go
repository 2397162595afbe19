package api

import (
	"crypto/tls"
	"crypto/x509"
)

// ServerTLS is mutual TLS: clients must show a certificate that one of cas
// vouches for.
func ServerTLS(certificate tls.Certificate, cas *x509.CertPool) *tls.Config {
	return &tls.Config{
		Certificates: []tls.Certificate{certificate},
		ClientCAs:    cas,
		ClientAuth:   tls.RequireAndVerifyClientCert,
		MinVersion:   tls.VersionTLS13,
		// A ticket would outlive the certificates of a reload.
		SessionTicketsDisabled: true,
	}
}
