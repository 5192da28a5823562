import java.math.BigDecimal;
import java.math.BigInteger;
import java.math.MathContext;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.ZoneId;
import java.time.ZonedDateTime;
import java.util.Arrays;
import java.util.Base64;
import java.util.HexFormat;
import java.util.Locale;
import java.util.Random;
import java.util.regex.Pattern;
import java.util.zip.CRC32;
import java.util.zip.Deflater;
import java.util.zip.Inflater;
import javax.crypto.Cipher;
import javax.crypto.KeyGenerator;

public class Main {
    public static void main(String[] args) throws Exception {
        var factorial = BigInteger.ONE;
        for (int i = 2; i <= 1000; i++) factorial = factorial.multiply(BigInteger.valueOf(i));
        System.out.println(factorial.bitLength() + " " + factorial.mod(BigInteger.valueOf(1_000_003)));
        System.out.println(BigInteger.TWO.pow(521).subtract(BigInteger.ONE).isProbablePrime(20));
        System.out.println(BigDecimal.TWO.sqrt(new MathContext(40)));

        System.out.println(HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest("caisson".getBytes()), 0, 8));
        var bytes = new byte[1000];
        new SecureRandom().nextBytes(bytes);
        System.out.println(Arrays.equals(bytes, new byte[1000]) + " " + new Random(1).nextInt(100));
        var keys = KeyGenerator.getInstance("AES");
        keys.init(128);
        var key = keys.generateKey();
        var cipher = Cipher.getInstance("AES");
        cipher.init(Cipher.ENCRYPT_MODE, key);
        var secret = cipher.doFinal("secret".getBytes());
        cipher.init(Cipher.DECRYPT_MODE, key);
        System.out.println(new String(cipher.doFinal(secret)) + " " + Base64.getEncoder().encodeToString("é".getBytes()));

        var deflater = new Deflater();
        deflater.setInput(new byte[100_000]);
        deflater.finish();
        var packed = new byte[1000];
        int length = deflater.deflate(packed);
        var inflater = new Inflater();
        inflater.setInput(packed, 0, length);
        System.out.println((length < 500) + " " + inflater.inflate(new byte[200_000]));
        var crc = new CRC32();
        crc.update("caisson".getBytes());
        System.out.println(Long.toHexString(crc.getValue()));

        System.out.println(Charset.defaultCharset() + " " + System.getProperty("stdout.encoding") + " " + Locale.getDefault() + " Ω");
        System.out.println(ZonedDateTime.of(2024, 7, 1, 0, 0, 0, 0, ZoneId.of("Europe/Berlin")).getOffset() + " " + ZoneId.systemDefault());
        System.out.println(new String("é".getBytes(StandardCharsets.ISO_8859_1), Charset.forName("windows-1252")));
        System.out.println(Pattern.compile("(\\p{Lu})(\\w+)").matcher("john Smith").results().map(r -> r.group(2)).toList());
        System.out.println(Duration.ofMillis(System.nanoTime() / 1_000_000).isPositive() + " " + (Runtime.getRuntime().availableProcessors() > 0));
        System.out.println(System.getenv("HOME") + " " + System.getProperty("user.dir") + " " + System.getProperty("java.io.tmpdir"));
    }
}
