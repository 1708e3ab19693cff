package ferrymq

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/ferrymq/ferrymq/client/go/ferrymqv1"
)

// The kinds of errors that programs tell apart: errors.Is(err, ferrymq.ErrNotFound).
var (
	// ErrNotFound is NOT_FOUND: the topic, queue, binding or snapshot does not exist.
	ErrNotFound = errors.New("not found")
	// ErrAlreadyExists is ALREADY_EXISTS: it exists with other settings, which Metadata["fields"] names.
	ErrAlreadyExists = errors.New("already exists")
	// ErrInvalidArgument is INVALID_ARGUMENT or OUT_OF_RANGE: Violations says what is wrong.
	ErrInvalidArgument = errors.New("invalid argument")
	// ErrFailedPrecondition is FAILED_PRECONDITION: for example, something is still in use.
	ErrFailedPrecondition = errors.New("failed precondition")
	// ErrExhausted is RESOURCE_EXHAUSTED: a queue, the disk or a limit is full.
	ErrExhausted = errors.New("exhausted")
	// ErrUnavailable is UNAVAILABLE: no broker, or it stops or starts. What was under way may or may not have been done.
	ErrUnavailable = errors.New("unavailable")
	// ErrTimeout is DEADLINE_EXCEEDED: the call took longer than it may.
	ErrTimeout = errors.New("timeout")
)

var kinds = map[codes.Code][]error{
	codes.NotFound:           {ErrNotFound},
	codes.AlreadyExists:      {ErrAlreadyExists},
	codes.InvalidArgument:    {ErrInvalidArgument},
	codes.OutOfRange:         {ErrInvalidArgument},
	codes.FailedPrecondition: {ErrFailedPrecondition},
	codes.ResourceExhausted:  {ErrExhausted},
	codes.Unavailable:        {ErrUnavailable},
	codes.DeadlineExceeded:   {ErrTimeout, context.DeadlineExceeded},
	codes.Canceled:           {context.Canceled},
}

// Error is what failed, as the broker said it or as this client found it. Get it with errors.As.
type Error struct {
	// Code is the canonical gRPC code.
	Code codes.Code
	// Reason is why, for programs: a name of ErrorReason without its prefix, such as TOPIC_NOT_FOUND. Empty where the broker gave none.
	Reason string
	// Message is why, for people.
	Message string
	// Metadata is what it is about, such as {"topic": "orders"}.
	Metadata map[string]string
	// Violations says, of an invalid argument, which fields broke which rules.
	Violations []Violation
	// RetryAfter is how long to wait before trying again. 0: the broker did not say that trying again helps.
	RetryAfter time.Duration

	cause error
}

// Violation is a field of a request that broke a rule.
type Violation struct {
	// Field is its path, such as messages[3].ttl_ms.
	Field string
	// Rule is what it broke, in words.
	Rule string
}

// Error is the code, the reason and the message.
func (e *Error) Error() string {
	text := "ferrymq: " + e.Message
	if e.Reason != "" {
		return text + " (" + e.Reason + ")"
	}
	return text + " (" + e.Code.String() + ")"
}

// Is tells whether target is the kind of this error.
func (e *Error) Is(target error) bool {
	for _, kind := range kinds[e.Code] {
		if target == kind {
			return true
		}
	}
	return false
}

// Unwrap is what gRPC said, if it was gRPC.
func (e *Error) Unwrap() error { return e.cause }

// GRPCStatus makes an Error one of gRPC's, for programs that work with google.golang.org/grpc/status.
func (e *Error) GRPCStatus() *status.Status { return status.New(e.Code, e.Message) }

func newError(code codes.Code, format string, arguments ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, arguments...)}
}

func unavailable(format string, arguments ...any) *Error {
	return newError(codes.Unavailable, format, arguments...)
}

func invalidField(field, rule string) *Error {
	return &Error{
		Code: codes.InvalidArgument, Reason: "FIELD_INVALID", Message: field + ": " + rule,
		Violations: []Violation{{Field: field, Rule: rule}},
	}
}

// toError makes whatever a call or a context ended with an *Error; nil stays nil.
func toError(err error) error {
	if err == nil {
		return nil
	}
	var already *Error
	if errors.As(err, &already) {
		return err
	}
	given, ok := status.FromError(err)
	if !ok {
		given = status.FromContextError(err)
	}
	made := &Error{Code: given.Code(), Message: given.Message(), cause: err}
	for _, detail := range given.Details() {
		made.take(detail)
	}
	return made
}

func (e *Error) take(detail any) {
	switch detail := detail.(type) {
	case *errdetails.ErrorInfo:
		e.Reason, e.Metadata = detail.Reason, detail.Metadata
	case *errdetails.BadRequest:
		for _, violation := range detail.FieldViolations {
			e.Violations = append(e.Violations, Violation{Field: violation.Field, Rule: violation.Description})
		}
	case *errdetails.RetryInfo:
		e.RetryAfter = detail.RetryDelay.AsDuration()
	}
}

// failureError is the error of one batch on a publish stream.
func failureError(failure *ferrymqv1.Failure) *Error {
	made := &Error{
		Code: codes.Code(failure.Code), Message: failure.Message, RetryAfter: failure.RetryAfter.AsDuration(),
		Reason: strings.TrimPrefix(failure.Reason.String(), "ERROR_REASON_"),
	}
	if failure.Field != "" {
		made.Violations = []Violation{{Field: failure.Field, Rule: failure.Message}}
	}
	return made
}

func codeOf(err error) codes.Code {
	var known *Error
	if errors.As(err, &known) {
		return known.Code
	}
	return status.Code(err)
}

func reasonOf(err error) string {
	var known *Error
	if errors.As(err, &known) {
		return known.Reason
	}
	return ""
}
