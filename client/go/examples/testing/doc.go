// Package orders shows a test against a broker of its own.
package orders
