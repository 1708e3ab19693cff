package io.ferrymq.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.grpc.netty.shaded.io.grpc.netty.GrpcSslContexts;
import io.grpc.netty.shaded.io.netty.handler.ssl.SslContext;
import io.grpc.netty.shaded.io.netty.handler.ssl.SslContextBuilder;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import javax.net.ssl.KeyManagerFactory;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** {@code https://}: TLS ends at a proxy, here at the fake itself. */
@Timeout(60)
class TlsTest {
    private static final String STORE = "javax.net.ssl.trustStore";
    private static final String PASSWORD = "changeit";

    @TempDir
    Path directory;

    private FakeBroker broker;

    @BeforeEach
    void start() throws Exception {
        keytool(
                "-genkeypair",
                "-alias",
                "ca",
                "-dname",
                "CN=a test's authority",
                "-ext",
                "bc:c",
                "-keystore",
                "ca.p12");
        keytool("-genkeypair", "-alias", "broker", "-dname", "CN=broker", "-keystore", "broker.p12");
        keytool("-certreq", "-alias", "broker", "-keystore", "broker.p12", "-file", "broker.csr");
        keytool(
                "-gencert",
                "-alias",
                "ca",
                "-keystore",
                "ca.p12",
                "-ext",
                "san=ip:127.0.0.1",
                "-infile",
                "broker.csr",
                "-outfile",
                "broker.crt");
        keytool("-exportcert", "-rfc", "-alias", "ca", "-keystore", "ca.p12", "-file", "ca.pem");
        keytool("-importcert", "-noprompt", "-alias", "ca", "-keystore", "broker.p12", "-file", "ca.pem");
        keytool("-importcert", "-alias", "broker", "-keystore", "broker.p12", "-file", "broker.crt");
        keytool("-importcert", "-noprompt", "-alias", "ca", "-keystore", "trusted.p12", "-file", "ca.pem");
        broker = new FakeBroker(certificate());
    }

    @AfterEach
    void stop() {
        System.clearProperty(STORE);
        System.clearProperty(STORE + "Password");
        broker.close();
    }

    private void keytool(String... arguments) throws IOException, InterruptedException {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "keytool").toString());
        command.addAll(Arrays.asList(arguments));
        command.addAll(List.of("-storepass", PASSWORD));
        if (command.contains("-genkeypair")) {
            command.addAll(List.of("-keyalg", "EC"));
        }
        Path log = directory.resolve("log");
        Process process = new ProcessBuilder(command)
                .directory(directory.toFile())
                .redirectErrorStream(true)
                .redirectOutput(log.toFile())
                .start();
        assertEquals(0, process.waitFor(), () -> command + ": " + read(log));
    }

    private static String read(Path file) {
        try {
            return Files.readString(file);
        } catch (IOException e) {
            return e.toString();
        }
    }

    private SslContext certificate() throws IOException, GeneralSecurityException {
        KeyStore keys = KeyStore.getInstance("PKCS12");
        try (InputStream file = Files.newInputStream(directory.resolve("broker.p12"))) {
            keys.load(file, PASSWORD.toCharArray());
        }
        KeyManagerFactory factory = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
        factory.init(keys, PASSWORD.toCharArray());
        return GrpcSslContexts.configure(SslContextBuilder.forServer(factory)).build();
    }

    /** As {@code -Djavax.net.ssl.trustStore=...} does. */
    private void trust(String store) {
        System.setProperty(STORE, directory.resolve(store).toString());
        System.setProperty(STORE + "Password", PASSWORD);
    }

    @Test
    void theAuthoritiesOfTheJvmAreTrusted() throws InterruptedException {
        trust("trusted.p12");
        try (Client client = broker.client()) {
            assertEquals(FakeBroker.TIME, client.serverInfo().getTime());
            try (Publisher publisher = client.publisher("orders")) {
                var confirm = publisher.publish(Messages.text("hello"));
                var stream = FakeBroker.next(broker.publishing);
                stream.responses.onNext(FakeBroker.confirm(FakeBroker.next(stream.requests)));
                confirm.join();
                stream.responses.onCompleted();
            }
        }
    }

    @Test
    void anUnknownAuthorityIsNotTrusted() {
        try (Client client = broker.client()) {
            var refused = assertThrows(FerryException.Unavailable.class, client::serverInfo);
            assertTrue(refused.getMessage().contains("certification path"), refused::getMessage);
        }
    }
}
