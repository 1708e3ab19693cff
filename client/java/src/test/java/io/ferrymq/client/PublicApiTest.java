package io.ferrymq.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.reflect.Constructor;
import java.lang.reflect.Executable;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.Type;
import java.net.URI;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** What programs see has nothing of the libraries below it but the messages of the protocol. */
class PublicApiTest {
    private static final List<String> HIDDEN =
            List.of("com.google.common.", "io.netty.", "io.grpc.", "com.fasterxml.", "io.opentelemetry.");

    @Test
    void itHasNoTypesOfGuavaNettyOrGrpc() throws IOException, URISyntaxException {
        List<Class<?>> classes = publicClasses();
        assertTrue(classes.size() > 20, () -> "only " + classes);
        List<String> leaks = classes.stream()
                .flatMap(PublicApiTest::visible)
                .filter(type -> HIDDEN.stream().anyMatch(type::contains))
                .toList();
        assertEquals(List.of(), leaks);
    }

    private static Stream<String> visible(Class<?> type) {
        Stream<Method> methods =
                Arrays.stream(type.getDeclaredMethods()).filter(each -> isVisible(each.getModifiers()));
        Stream<Constructor<?>> constructors =
                Arrays.stream(type.getDeclaredConstructors()).filter(each -> isVisible(each.getModifiers()));
        Stream<Type> supers =
                Stream.concat(Stream.of(type.getGenericInterfaces()), Stream.ofNullable(type.getGenericSuperclass()));
        Stream<Type> results = Arrays.stream(type.getDeclaredMethods())
                .filter(each -> isVisible(each.getModifiers()))
                .map(Method::getGenericReturnType);
        Stream<Type> arguments = Stream.<Executable>concat(methods, constructors)
                .flatMap(each -> Stream.concat(
                        Stream.of(each.getGenericParameterTypes()), Stream.of(each.getGenericExceptionTypes())));
        return Stream.of(supers, results, arguments)
                .flatMap(each -> each)
                .map(each -> type.getName() + ": " + each.getTypeName());
    }

    private static boolean isVisible(int modifiers) {
        return Modifier.isPublic(modifiers) || Modifier.isProtected(modifiers);
    }

    private static List<Class<?>> publicClasses() throws IOException, URISyntaxException {
        URI location =
                Client.class.getProtectionDomain().getCodeSource().getLocation().toURI();
        Path root = Path.of(location);
        try (Stream<Path> files = Files.walk(root.resolve("io/ferrymq/client"))) {
            return files.map(file -> root.relativize(file).toString())
                    .filter(name -> name.endsWith(".class") && !name.endsWith("package-info.class"))
                    .<Class<?>>map(PublicApiTest::load)
                    .filter(type -> Modifier.isPublic(type.getModifiers()))
                    .toList();
        }
    }

    private static Class<?> load(String file) {
        try {
            return Class.forName(
                    file.substring(0, file.length() - ".class".length()).replace('/', '.'));
        } catch (ClassNotFoundException e) {
            throw new AssertionError(e);
        }
    }
}
